//! The same query as a plain batch: the ad-hoc query engine over the same batches, one partition, one thread.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use sabot_sql::{Batches, QueryEngine, QueryLimits, QueryResult, Relations, RowSource, RowSourceKind};

use crate::error::BenchError;
use crate::meter::{Cost, Meter};
use crate::workload::{EVENTS, RATES, Workload};

/// More than any of the queries needs.
const MEMORY_BYTES: usize = 16 << 30;
/// More rows than any result has, and few enough to be added to.
const MAX_ROWS: usize = usize::MAX / 4;
const TIMEOUT: Duration = Duration::from_mins(10);

/// DataFusion over the workload.
pub(crate) struct Baseline {
    engine: QueryEngine,
    runtime: tokio::runtime::Runtime,
}

struct Memory {
    events: (SchemaRef, Arc<Vec<RecordBatch>>),
    rates: (SchemaRef, Arc<Vec<RecordBatch>>),
}

impl Relations for Memory {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        let (schema, batches) = match name {
            EVENTS => &self.events,
            RATES => &self.rates,
            _ => return None,
        };
        let batches = Arc::clone(batches);
        let open = move || {
            let batches = Arc::clone(&batches);
            let rows = (0..batches.len()).filter_map(move |index| batches.get(index).cloned().map(Ok));
            Ok(Box::new(rows) as Batches)
        };
        Some(RowSource { schema: Arc::clone(schema), kind: RowSourceKind::Partitions(vec![Arc::new(open)]) })
    }

    fn names(&self) -> Vec<String> {
        vec![EVENTS.to_owned(), RATES.to_owned()]
    }
}

impl Baseline {
    pub(crate) fn new(workload: &Workload, spill_dir: &Path) -> Result<Self, BenchError> {
        let rates = Workload::rates()?;
        let relations = Memory {
            events: (Arc::clone(&workload.schema), Arc::clone(&workload.batches)),
            rates: (rates.schema(), Arc::new(vec![rates])),
        };
        let engine = QueryEngine::new(Arc::new(relations), MEMORY_BYTES, spill_dir.to_owned())?.with_parallelism(1);
        Ok(Self { engine, runtime: tokio::runtime::Builder::new_current_thread().enable_time().build()? })
    }

    /// Plans and runs a query; its result is kept until after the measurement.
    pub(crate) fn run(&self, sql: &str) -> Result<(Cost, QueryResult), BenchError> {
        let meter = Meter::start();
        let limits = QueryLimits { max_rows: MAX_ROWS, timeout: TIMEOUT };
        let result = self.runtime.block_on(self.engine.query(sql, limits))?;
        Ok((meter.cost(), result))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::Baseline;
    use crate::workload::{QUERIES, Workload};

    fn physical_plan(baseline: &Baseline, sql: &str) -> String {
        let (_, result) = baseline.run(&format!("EXPLAIN {sql}")).expect("a plan");
        let kinds = result.batches.iter().flat_map(|rows| rows.column(0).as_string::<i32>().iter().flatten());
        let plans = result.batches.iter().flat_map(|rows| rows.column(1).as_string::<i32>().iter().flatten());
        kinds.zip(plans).filter(|(kind, _)| *kind == "physical_plan").map(|(_, plan)| plan.to_owned()).collect()
    }

    /// The comparison is with one partition that nothing is exchanged over, and a join that hashes the small side.
    #[test]
    fn plans_use_one_partition_and_build_the_join_from_the_table() {
        let workload = Workload::generate(10_000);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let baseline = Baseline::new(&workload, dir.path()).expect("a baseline");
        for query in QUERIES {
            for (_, sql) in query.batches {
                let plan = physical_plan(&baseline, sql);
                assert!(plan.contains("StreamingTableExec") && !plan.contains("Repartition"), "{plan}");
                if query.name == "lookup_join" {
                    let build = plan.lines().find(|line| line.contains("StreamingTableExec")).expect("a scan");
                    assert!(build.contains("name, rate"), "{plan}");
                }
            }
        }
    }

    #[test]
    fn all_ways_to_a_query_find_as_many_groups() {
        let workload = Workload::generate(250_000);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let baseline = Baseline::new(&workload, dir.path()).expect("a baseline");
        for query in QUERIES.iter().filter(|query| query.name == "tumbling") {
            for (name, sql) in query.batches {
                let (_, result) = baseline.run(sql).expect("rows");
                let rows: usize = result.batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
                // 2.5 seconds of event time, begun 20 ms early, by 1,000 keys.
                assert!((3_000..=4_000).contains(&rows), "{name}: {rows}");
            }
        }
    }
}
