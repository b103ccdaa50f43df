//! Functions that are not async and return a future: as `async_trait` makes them, and as people write them.
//!
//! Invariant: what is traced is the future, from when it is polled first; a function that makes it in any other way than
//! by an async block is not touched.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, GenericArgument, PathArguments, PathSegment, ReturnType, Stmt, Type, TypeParamBound,
};

use super::run_async;

/// Types that are boxed futures by their names.
const BOXED: [&str; 2] = ["BoxFuture", "LocalBoxFuture"];

/// What a future that is returned comes to.
pub(super) struct Made(Type);

/// The future in a return type, if there is one.
pub(super) fn returned(output: &ReturnType) -> Option<Made> {
    /// Looks for a bound or a type by its name, however deep.
    struct Search(Option<Type>);
    impl Search {
        fn found(&mut self, made: Option<Type>) {
            self.0.get_or_insert_with(|| made.unwrap_or_else(|| syn::parse_quote!(_)));
        }
    }
    impl VisitMut for Search {
        fn visit_type_param_bound_mut(&mut self, bound: &mut TypeParamBound) {
            if let TypeParamBound::Trait(bound) = bound
                && let Some(last) = bound.path.segments.last().filter(|segment| segment.ident == "Future")
            {
                self.found(output_of(last));
            }
        }

        fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
            if BOXED.iter().any(|name| segment.ident == name) {
                self.found(last_type(segment));
            } else {
                visit_mut::visit_path_segment_mut(self, segment);
            }
        }
    }
    let mut search = Search(None);
    search.visit_return_type_mut(&mut output.clone());
    search.0.map(Made)
}

/// `T` of `Future<Output = T>`.
fn output_of(bound: &PathSegment) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = &bound.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(output.ty.clone()),
        _ => None,
    })
}

/// `T` of `BoxFuture<'a, T>`.
fn last_type(boxed: &PathSegment) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = &boxed.arguments else { return None };
    arguments.args.iter().rev().find_map(|argument| match argument {
        GenericArgument::Type(made) => Some(made.clone()),
        _ => None,
    })
}

/// The body with the span inside of the future; `None` if the body is more than an async block, boxed or not.
pub(super) fn traced(body: &Block, made: &Made, prepare: &TokenStream) -> Option<TokenStream> {
    let [Stmt::Expr(only, None)] = &body.stmts[..] else { return None };
    let mut only = only.clone();
    let block = async_block(&mut only)?;
    let ExprAsync { async_token, capture, block: inside, .. } = &*block;
    let statements = &inside.stmts;
    let run = run_async(&quote!(#async_token #capture), &quote!(#(#statements)*), &made.0);
    *block = syn::parse2(quote!(#async_token #capture { #prepare #run })).ok()?;
    Some(only.into_token_stream())
}

/// The async block in `Box::pin(async { … })`, `async { … }.boxed()` and the like.
fn async_block(made: &mut Expr) -> Option<&mut ExprAsync> {
    match made {
        Expr::Async(block) => Some(block),
        Expr::Group(group) => async_block(&mut group.expr),
        Expr::Paren(parenthesized) => async_block(&mut parenthesized.expr),
        Expr::Call(call) if call.args.len() == 1 => match &*call.func {
            Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "pin") => {
                async_block(call.args.first_mut()?)
            }
            _ => None,
        },
        Expr::MethodCall(call) if call.method == "boxed" || call.method == "boxed_local" => {
            async_block(&mut call.receiver)
        }
        _ => None,
    }
}
