//! The function with a span around its body.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Error, ItemFn, Result, ReturnType, Signature, Type, TypeParamBound};

use crate::options::{self, Macro, Objective, Options};

/// The attribute on the function, or what is wrong with either.
pub(crate) fn attribute(which: Macro, options: TokenStream, function: TokenStream) -> TokenStream {
    match syn::parse2::<ItemFn>(function.clone()) {
        Ok(parsed) => expand(which, options, &parsed).unwrap_or_else(|error| {
            // The function stays, so that the error is the only one.
            let error = error.to_compile_error();
            quote!(#error #function)
        }),
        Err(error) => {
            let message = "is for functions and methods with a body; put it on `fn` or `async fn`";
            Error::new(error.span(), message).to_compile_error()
        }
    }
}

fn expand(which: Macro, options: TokenStream, function: &ItemFn) -> Result<TokenStream> {
    let options = options::parse(which, options)?;
    let signature = &function.sig;
    check(signature)?;
    let begin = begin(which, &options, signature);
    let fields = fields(&options);
    let run = run(function);
    let (attributes, visibility) = (&function.attrs, &function.vis);
    Ok(quote! {
        #(#attributes)*
        #visibility #signature {
            let __operation = #begin;
            #fields
            #run
        }
    })
}

/// What would be traced wrongly is refused.
fn check(signature: &Signature) -> Result<()> {
    if let Some(constant) = &signature.constness {
        return Err(Error::new(constant.span(), "a const fn cannot be traced; remove `const`"));
    }
    if signature.asyncness.is_none() && returns_future(&signature.output) {
        let message = "this would trace how the future is made, not what it does; write `async fn`";
        return Err(Error::new(signature.output.span(), message));
    }
    Ok(())
}

fn returns_future(output: &ReturnType) -> bool {
    /// Looks for a bound by this name, however deep.
    struct Search(bool);
    impl VisitMut for Search {
        fn visit_type_param_bound_mut(&mut self, bound: &mut TypeParamBound) {
            if let TypeParamBound::Trait(bound) = bound {
                self.0 |= bound.path.segments.last().is_some_and(|segment| segment.ident == "Future");
            }
        }
    }
    let mut search = Search(false);
    search.visit_return_type_mut(&mut output.clone());
    search.0
}

fn begin(which: Macro, options: &Options, signature: &Signature) -> TokenStream {
    let name = options.name.clone().unwrap_or_else(|| signature.ident.to_string());
    let name = name.trim_start_matches("r#");
    let kind = options.kind.as_ref().map_or_else(|| quote!(Internal), |kind| quote!(#kind));
    let kind = quote!(::sabot_telemetry::SpanKind::#kind);
    match (&options.objective, which) {
        (Some(Objective { sli, threshold_seconds, operation_type }), _) => {
            let operation_type = operation_type.as_ref().map_or_else(
                || quote!(::core::option::Option::None),
                |operation_type| quote!(::core::option::Option::Some(#operation_type)),
            );
            quote! {
                ::sabot_telemetry::__private::begin_timed(#name, #kind, #sli, #threshold_seconds, #operation_type)
            }
        }
        (None, Macro::Correlation) => quote!(::sabot_telemetry::__private::begin_correlated(#name, #kind)),
        (None, Macro::Traced | Macro::Performance) => quote!(::sabot_telemetry::__private::begin(#name, #kind)),
    }
}

fn fields(options: &Options) -> TokenStream {
    if options.fields.is_empty() {
        return TokenStream::new();
    }
    let set = options.fields.iter().map(|field| {
        let (key, value) = (&field.key, &field.value);
        quote_spanned! {value.span()=>
            __operation.set_attribute(#key, (&::sabot_telemetry::__private::field::FieldRef(&(#value))).field_value());
        }
    });
    quote! {
        if __operation.is_recording() {
            use ::sabot_telemetry::__private::field::via::*;
            #(#set)*
        }
    }
}

/// The body, with the span current in it.
fn run(function: &ItemFn) -> TokenStream {
    let body = &function.block;
    let written = written_type(&function.sig.output);
    let is_result = returns_result(&function.sig.output);
    if function.sig.asyncness.is_some() {
        // Never runs; it tells the compiler what the block returns, which `?` in it needs to know.
        let hint = quote! {
            if false {
                return ::sabot_telemetry::__private::never::<#written>();
            }
        };
        let run = quote!(__operation.in_future(async move { #hint #body }).await);
        if !is_result {
            return run;
        }
        let mark = mark();
        return quote! {
            let __returned = #run;
            #mark
            __returned
        };
    }
    if !is_result {
        return quote! {
            let __entered = __operation.enter();
            #body
        };
    }
    let mark = mark();
    // A type with `impl` in it cannot be written on a closure, and is known from the body.
    let typed = if has_placeholder(&function.sig.output) { TokenStream::new() } else { quote!(-> #written) };
    quote! {
        let __returned = {
            let __entered = __operation.enter();
            ::sabot_telemetry::__private::run(move || #typed #body)
        };
        #mark
        __returned
    }
}

fn mark() -> TokenStream {
    quote! {
        if let ::core::result::Result::Err(__error) = &__returned {
            use ::sabot_telemetry::__private::error::*;
            (&&ErrorRef(__error)).mark(&__operation);
        }
    }
}

/// Whether what is returned is called `Result`, with or without a path.
fn returns_result(output: &ReturnType) -> bool {
    match output {
        ReturnType::Type(_, written) => match &**written {
            Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Result"),
            _ => false,
        },
        ReturnType::Default => false,
    }
}

/// The return type, with `_` where it says `impl`.
fn written_type(output: &ReturnType) -> Type {
    let mut written = match output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, written) => (**written).clone(),
    };
    Erase::default().visit_type_mut(&mut written);
    written
}

/// Whether the return type says `impl` anywhere.
fn has_placeholder(output: &ReturnType) -> bool {
    let mut erase = Erase::default();
    erase.visit_return_type_mut(&mut output.clone());
    erase.found
}

/// Puts `_` in the place of `impl …`.
#[derive(Default)]
struct Erase {
    found: bool,
}

impl VisitMut for Erase {
    fn visit_type_mut(&mut self, written: &mut Type) {
        if matches!(written, Type::ImplTrait(_)) {
            *written = syn::parse_quote!(_);
            self.found = true;
        } else {
            visit_mut::visit_type_mut(self, written);
        }
    }
}

#[cfg(test)]
mod tests;
