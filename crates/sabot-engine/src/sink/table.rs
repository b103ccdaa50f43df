//! A table as an output: its changelog is written like any stream, and after each commit the table takes it in.

use std::sync::Arc;

use sabot_common::registry::{self, attributes, spans};
use sabot_runtime::{Committed, OnCommit, describe};
use sabot_store::Table;
use sabot_telemetry::Registry;

/// Has a table take in what has been committed to its changelog.
pub(crate) fn apply_to(table: Arc<Table>, registry: &Registry) -> OnCommit {
    let labels = ["put", table.backend().as_str()];
    let puts = registry.counter(&describe(&registry::STATE_OPERATIONS), &labels);
    let duration = registry.histogram(&describe(&registry::STATE_OPERATION_DURATION), &labels);
    Arc::new(move |committed: &Committed| {
        let mut span = match committed.trace {
            Some(commit) => committed.spans.start(spans::STATE_SET).parent(commit).start(),
            None => committed.spans.suppressed().start(spans::STATE_SET).root().start(),
        };
        let start = committed.clock.monotonic();
        let rows = table.apply()?;
        if rows > 0 {
            puts.add(rows);
            duration.observe(committed.clock.monotonic().saturating_sub(start).as_secs_f64());
        }
        if span.is_recording() {
            span.set_attribute(attributes::TABLE, table.name().to_owned());
            span.set_attribute(attributes::COMPONENT, "state-store");
            span.set_attribute(attributes::ROWS, rows);
        }
        Ok(())
    })
}
