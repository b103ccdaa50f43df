//! Attributes that trace functions, for use through `sabot-telemetry`.
//!
//! 1. `options` reads what is written in the attribute, and says what to write when that is wrong.
//! 2. `expand` wraps the function's body: a span begins before it, is current while it runs or is polled, and ends after.
//!
//! Invariant: the function keeps its signature, and its body is not looked into, but to see whether it is an async block.

use proc_macro::TokenStream;

mod expand;
mod options;

use options::Macro;

/// Traces a function, sync or async: a span below the current one, current while the function runs.
///
/// All of it is optional: `name = "…"` (the function's own otherwise), `kind = "server"` (`internal`, `server`, `client`,
/// `producer` or `consumer`), and `fields(a, b, total = a + b)`: parameters and expressions that become attributes, numbers
/// and texts as they are and others as `Debug` writes them. Other parameters are not recorded, because they may hold
/// anything. Fields are not computed unless the span is recorded.
///
/// Methods under `#[async_trait]` are traced as what they were written as, and so is any function that returns a future and
/// whose body is nothing but an async block, boxed or not.
///
/// A function whose return type is called `Result` marks its span as failed when it returns an `Err`: with type, message
/// and causes if the error implements `Error`, with the message if it implements `Display`.
///
/// ```
/// use sabot_telemetry::traced;
///
/// #[traced(name = "charge_card", kind = "client", fields(order_id, cents))]
/// async fn charge(order_id: &str, cents: u64, card_number: &str) -> Result<(), std::io::Error> {
///     assert!(!card_number.is_empty());
///     Ok(())
/// }
/// # futures::executor::block_on(charge("4711", 995, "4000 0000 0000 0002"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// ```compile_fail
/// #[sabot_telemetry::traced(level = "info")] // unknown option `level`; write name = "…", …
/// fn charge() {}
/// ```
#[proc_macro_attribute]
pub fn traced(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::attribute(Macro::Traced, options.into(), function.into()).into()
}

/// Traces a function as [`macro@traced`] does, and measures it against a threshold in seconds, awaits included.
///
/// The span says `sli.name`, `sli.value`, `slo.threshold`, `slo.compliant`, `slo.breach_severity` (`minor` up to one and a
/// half times the threshold, `major` up to twice, `critical` beyond) and `operation.type` if given.
///
/// ```
/// use sabot_telemetry::trace_performance;
///
/// #[trace_performance(sli_name = "checkout.latency", slo_threshold = 0.5, operation_type = "checkout")]
/// async fn checkout() -> u64 {
///     995
/// }
/// # assert_eq!(futures::executor::block_on(checkout()), 995);
/// ```
///
/// ```compile_fail
/// #[sabot_telemetry::trace_performance(slo_threshold = 0.5)] // lacks sli_name; write sli_name = "checkout.latency"
/// fn checkout() {}
/// ```
#[proc_macro_attribute]
pub fn trace_performance(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::attribute(Macro::Performance, options.into(), function.into()).into()
}

/// Traces a function as [`macro@traced`] does, below the correlation id that is current, or a new one.
///
/// ```
/// use sabot_telemetry::{current_correlation_id, trace_with_correlation};
///
/// #[trace_with_correlation]
/// fn handle() -> String {
///     current_correlation_id().map(|id| id.to_string()).unwrap_or_default()
/// }
/// assert_eq!(handle().len(), 32);
/// ```
#[proc_macro_attribute]
pub fn trace_with_correlation(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::attribute(Macro::Correlation, options.into(), function.into()).into()
}
