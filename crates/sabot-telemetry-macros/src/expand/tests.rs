//! What is wrong is said with what to write instead.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, parse2};

use super::attribute;
use crate::options::Macro;

/// The message of the error the attribute becomes.
fn error(which: Macro, options: TokenStream, function: TokenStream) -> String {
    let expanded = attribute(which, options, function).to_string();
    let message = expanded.split("compile_error").nth(1).unwrap_or_else(|| panic!("no error: {expanded}"));
    message.split('"').skip(1).collect::<Vec<_>>().join("\"").split(" }").next().unwrap_or_default().to_owned()
}

#[test]
fn wrong_options_say_what_to_write() {
    let function = || {
        quote!(
            fn work() {}
        )
    };
    for (which, options, expected) in [
        (Macro::Traced, quote!(level = "info"), "unknown option `level`; write name = "),
        (Macro::Traced, quote!(sli_name = "x"), "unknown option `sli_name`; write name = "),
        (Macro::Performance, quote!(level = 1), "unknown option `level`; write sli_name = "),
        (Macro::Traced, quote!(name), "write name = "),
        (Macro::Traced, quote!(name = ""), "write name = "),
        (Macro::Traced, quote!(name = "a", name = "b"), "`name` is given twice; write it once"),
        (Macro::Traced, quote!(kind = "sever"), "unknown kind `sever`; write "),
        (Macro::Traced, quote!(fields(3)), "write fields(order_id, "),
        (Macro::Traced, quote!(fields("id")), "write fields(order_id, "),
        (Macro::Performance, quote!(), "lacks sli_name; write sli_name = "),
        (Macro::Performance, quote!(sli_name = "x"), "lacks slo_threshold; write slo_threshold = 0.5 (seconds)"),
        (Macro::Performance, quote!(sli_name = "x", slo_threshold = "1 s"), "write slo_threshold = 0.5, a number of"),
        (Macro::Performance, quote!(sli_name = "x", slo_threshold = 0), "write slo_threshold = 0.5, a number of"),
        (Macro::Performance, quote!(sli_name = "x", slo_threshold = -1), "write slo_threshold = 0.5, a number of"),
    ] {
        let message = error(which, options.clone(), function());
        assert!(message.starts_with(expected), "{options}: {message}");
    }
}

#[test]
fn functions_that_cannot_be_traced_say_why() {
    for (function, expected) in [
        (
            quote!(
                const fn work() {}
            ),
            "a const fn cannot be traced",
        ),
        (
            quote!(
                fn work() -> impl Future<Output = ()> {
                    let ready = 1;
                    async {}
                }
            ),
            "the future itself would not be traced; write `async fn`, or",
        ),
        (
            quote!(
                fn work() -> Pin<Box<dyn core::future::Future<Output = ()> + Send>> {
                    x
                }
            ),
            "the future itself would not",
        ),
        (
            quote!(
                fn work() -> BoxFuture<'static, ()> {
                    x
                }
            ),
            "the future itself would not",
        ),
        (
            quote!(
                struct Work;
            ),
            "is for functions and methods with a body; put it on `fn` or `async fn`",
        ),
        (
            quote!(
                fn work();
            ),
            "is for functions and methods with a body",
        ),
    ] {
        let message = error(Macro::Traced, quote!(), function.clone());
        assert!(message.starts_with(expected), "{function}: {message}");
    }
}

#[test]
fn a_function_with_a_wrong_option_is_still_there() {
    let expanded = attribute(
        Macro::Traced,
        quote!(level = 1),
        quote!(
            fn work() {}
        ),
    )
    .to_string();
    assert!(expanded.contains("fn work ()"), "{expanded}");
}

#[test]
fn every_option_is_taken() {
    let options = quote!(
        name = "n",
        kind = consumer,
        sli_name = "s",
        slo_threshold = 2,
        operation_type = "t",
        fields(a, b = a + 1, "c.d" = b),
    );
    let expanded = attribute(
        Macro::Performance,
        options,
        quote!(
            pub(crate) async fn work(a: u8) -> Result<u8, E> {
                Ok(a)
            }
        ),
    );
    let text = expanded.to_string();
    assert!(parse2::<File>(expanded).is_ok(), "{text}");
    for part in ["begin_timed (\"n\"", "SpanKind :: Consumer", "\"s\" , 2f64", "Some (\"t\")", "\"c.d\"", "ErrorRef"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}
