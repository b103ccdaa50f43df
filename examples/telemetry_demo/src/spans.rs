//! Spans in the three ways there are, in one trace.

use std::io::{self, Write};

use sabot_telemetry::{FutureExt, SpanKind, TelemetryProviders, context_with_trace, trace_operation, traced};

use crate::Failure;
use crate::page::Page;
use crate::readback::{Received, Span};

/// By attribute: parameters that are named become attributes, and an `Err` marks the span as failed.
#[traced(name = "charge card", kind = "client", fields(cents))]
async fn charge(cents: u64) -> Result<(), io::Error> {
    Err(io::Error::other("card declined"))
}

/// As an operation: current wherever its work goes on.
async fn send_receipt() {
    let receipt = trace_operation("send receipt", [("format", "pdf")]);
    let sent: Result<(), io::Error> = receipt.in_future(async { Err(io::Error::other("mailbox full")) }).await;
    if let Err(error) = sent {
        receipt.record_exception(&error);
    }
}

/// By hand: parents are handed down, which is the fastest way.
pub(crate) async fn show<W: Write>(
    telemetry: &TelemetryProviders,
    received: &Received,
    page: &mut Page<W>,
) -> Result<(), Failure> {
    let count = telemetry.spans().start("count the stock").root().start();
    let mut order = telemetry.spans().start("POST /orders").root().kind(SpanKind::Server).start();
    drop(order.child("reserve stock").attribute("items", 3).link(count.context()).start());
    order.add_event("priced", [("cents", 1290.into())]);

    let below = context_with_trace(order.context());
    let charged = charge(1290).with_context(below.clone()).await;
    send_receipt().with_context(below).await;
    order.set_attribute("paid", charged.is_ok());
    let trace_id = order.context().trace_id_hex();
    drop((order, count)); // a span ends when it is dropped

    page.section("Spans", "by hand, by #[traced] and by trace_operation; this is the trace as it arrived in the file")?;
    let spans = received.trace(&trace_id, 4).await?;
    print_tree(&spans, "", 0, page)?;
    Ok(())
}

/// Prints the spans below a parent, and what is below them.
pub(crate) fn print_tree<W: Write>(
    spans: &[Span],
    parent_id: &str,
    depth: usize,
    page: &mut Page<W>,
) -> io::Result<()> {
    for span in spans.iter().filter(|span| span.parent_id == parent_id) {
        page.row(&format!("{}{}", "  ".repeat(depth), span.name), format!("{:<9} {}", span.kind, describe(span)))?;
        print_tree(spans, &span.id, depth + 1, page)?;
    }
    Ok(())
}

fn describe(span: &Span) -> String {
    let attributes = span.attributes.iter().map(|(key, value)| format!("{key}={value}"));
    let events = span.events.iter().map(|event| match event.strip_prefix("exception: ") {
        Some(message) => format!("exception \"{message}\""),
        None => format!("event \"{event}\""),
    });
    let links = span.links.iter().map(|link| format!("link to span {link}"));
    let failed = span.has_failed.then(|| "failed".to_owned());
    failed.into_iter().chain(attributes).chain(events).chain(links).collect::<Vec<_>>().join(", ")
}
