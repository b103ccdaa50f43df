//! Log records that know their trace.

use std::io::Write;

use sabot_telemetry::trace_operation;

use crate::Failure;
use crate::page::Page;
use crate::readback::Received;

pub(crate) async fn show<W: Write>(received: &Received, page: &mut Page<W>) -> Result<(), Failure> {
    page.section("Logs", "tracing's events: lines on standard error, and records of the trace they were made in")?;
    let restock = trace_operation("restock", [("item", 7)]);
    let trace_id = restock.trace().trace_id_hex();
    restock
        .in_future(async {
            tracing::info!(item = 7, left = 2, "stock is low");
            tracing::info!(supplier = "bob@example.com", "ordered more from bob@example.com");
        })
        .await;
    drop(restock);

    for log in received.logs(&trace_id, 2).await? {
        page.row(&log.severity, format!("{:<36} trace {}", log.body, log.trace_id))?;
    }
    Ok(())
}
