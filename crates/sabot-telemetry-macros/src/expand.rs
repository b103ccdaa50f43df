//! The function with a span around its body.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Error, ItemFn, Result, ReturnType, Signature, Type};

use crate::options::{self, Macro, Objective, Options};

mod future;

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
    if let Some(constant) = &signature.constness {
        return Err(Error::new(constant.span(), "a const fn cannot be traced; remove `const`"));
    }
    let begin = begin(which, &options, signature);
    let fields = fields(&options);
    let prepare = quote! {
        let __operation = #begin;
        #fields
    };
    let returned = if signature.asyncness.is_none() { future::returned(&signature.output) } else { None };
    let body = if let Some(made) = returned {
        future::traced(&function.block, &made, &prepare).ok_or_else(|| {
            // What is traced would be how the future is made, not what it does.
            let message = "the future itself would not be traced; write `async fn`, or make the body \
                           nothing but `Box::pin(async move { … })`";
            Error::new(signature.output.span(), message)
        })?
    } else {
        let run = run(function);
        quote!(#prepare #run)
    };
    let (attributes, visibility) = (&function.attrs, &function.vis);
    Ok(quote! {
        #(#attributes)*
        #visibility #signature {
            #body
        }
    })
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
    let written = match &function.sig.output {
        ReturnType::Default => syn::parse_quote!(()),
        ReturnType::Type(_, written) => (**written).clone(),
    };
    if function.sig.asyncness.is_some() {
        return run_async(&quote!(async move), &quote!(#body), &written);
    }
    if !is_result(&written) {
        return quote! {
            let __entered = __operation.enter();
            #body
        };
    }
    let (mark, written) = (mark(), erased(written));
    quote! {
        let __returned = {
            let __entered = __operation.enter();
            ::sabot_telemetry::__private::run(move || -> #written #body)
        };
        #mark
        __returned
    }
}

/// A body that returns `written` as a future, and what it comes to.
fn run_async(keywords: &TokenStream, body: &TokenStream, written: &Type) -> TokenStream {
    if matches!(written, Type::Never(_)) {
        // `!` cannot be written in the hint, but what has no values can stand for it.
        let hint = hint(&syn::parse_quote!(::core::convert::Infallible));
        return quote!(match __operation.in_future(#keywords { #hint #body }).await {});
    }
    let hint = hint(&erased(written.clone()));
    let run = quote!(__operation.in_future(#keywords { #hint #body }).await);
    if !is_result(written) {
        return run;
    }
    let mark = mark();
    quote! {
        let __returned = #run;
        #mark
        __returned
    }
}

/// Never runs; it tells the compiler what a block returns, which `?` in it needs to know.
fn hint(written: &Type) -> TokenStream {
    quote! {
        if false {
            return ::sabot_telemetry::__private::never::<#written>();
        }
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

/// Whether a type is called `Result`, with or without a path.
fn is_result(written: &Type) -> bool {
    match written {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Result"),
        Type::Group(group) => is_result(&group.elem),
        _ => false,
    }
}

/// A type with `_` where it says `impl`.
fn erased(mut written: Type) -> Type {
    /// Puts `_` in the place of `impl …`.
    struct Erase;
    impl VisitMut for Erase {
        fn visit_type_mut(&mut self, written: &mut Type) {
            if matches!(written, Type::ImplTrait(_)) {
                *written = syn::parse_quote!(_);
            } else {
                visit_mut::visit_type_mut(self, written);
            }
        }
    }
    Erase.visit_type_mut(&mut written);
    written
}

#[cfg(test)]
mod tests;
