//! Secrets that went in, and what came out.

use std::io::Write;

use sabot_telemetry::TelemetryProviders;

use crate::Failure;
use crate::page::Page;
use crate::readback::Received;

/// By key, and by what a text looks like. None of it is anybody's.
const GIVEN: [(&str, &str); 5] = [
    ("http.request.header.authorization", "Bearer not-a-token-of-anybody"),
    ("db.password", "correct horse"),
    ("customer.note", "call ann@example.com about 4111 1111 1111 1111"),
    ("db.url", "postgres://shop:hunter2@db/orders"),
    ("llm.token_count", "812"),
];

pub(crate) async fn show<W: Write>(
    telemetry: &TelemetryProviders,
    received: &Received,
    page: &mut Page<W>,
) -> Result<(), Failure> {
    let mut span = telemetry.spans().start("careless").root().start();
    for (key, value) in GIVEN {
        span.set_attribute(key, value);
    }
    let trace_id = span.context().trace_id_hex();
    drop(span);

    page.section("Redaction", "by key and by look, before anything is stored or sent")?;
    let spans = received.trace(&trace_id, 1).await?;
    for (key, given) in GIVEN {
        let came_out = spans.first().and_then(|span| span.attributes.get(key)).map_or("-", String::as_str);
        page.row(key.strip_prefix("http.request.").unwrap_or(key), format!("{given:<48} -> {came_out}"))?;
    }
    Ok(())
}
