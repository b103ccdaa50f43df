//! Queries over events in memory: as an agent with spans on and off, and as a batch, in turns.
//!
//! The agent's rows end in a blackhole, its offsets and state in a store. The batch keeps its result, or consumes it in
//! an aggregate over every column; what an agent is compared with is the faster of the two.

use std::path::Path;

use sabot_common::config::Output;

use crate::baseline::Baseline;
use crate::cli::Cli;
use crate::engine::{self, Run, Variant};
use crate::error::BenchError;
use crate::meter::Cost;
use crate::report::{Better, Report, Series};
use crate::workload::{QUERIES, Query, Workload};

/// Measures all queries and reports samples, ratios and the cost of spans.
pub(crate) fn measure(cli: &Cli, workload: &Workload, dir: &Path, report: &mut Report) -> Result<(), BenchError> {
    let baseline = Baseline::new(workload, dir)?;
    let wanted = |query: &&Query| cli.workload.is_empty() || cli.workload.iter().any(|name| name == query.name);
    for query in QUERIES.iter().filter(wanted) {
        for (round, counts) in cli.rounds() {
            let taken = Round::take(workload, query, &baseline, round, dir)?;
            if counts {
                taken.record(query, workload.events, report);
            }
        }
    }
    Ok(())
}

/// One run of each variant.
struct Round {
    on: Run,
    off: Run,
    batch: Cost,
    consumed: Option<Cost>,
}

impl Round {
    fn take(
        workload: &Workload,
        query: &Query,
        baseline: &Baseline,
        round: usize,
        dir: &Path,
    ) -> Result<Self, BenchError> {
        let agent = |spans| engine::run(workload, query, Variant { spans, output: Output::Blackhole }, dir);
        // Whoever goes second finds warmer caches: take turns.
        let (on, off) = if round % 2 == 0 {
            let on = agent(true)?;
            (on, agent(false)?)
        } else {
            let off = agent(false)?;
            (agent(true)?, off)
        };
        let (batch, result) = baseline.run(query.batch)?;
        let rows: usize = result.batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
        drop(result);
        let consumed = query.consumed.map(|sql| baseline.run(sql)).transpose()?.map(|(cost, _)| cost);
        for run in [&on, &off] {
            if run.rows_out != rows as u64 {
                let problem = format!("the agent made {} rows, the batch {rows}", run.rows_out);
                return Err(BenchError::wrong(query.name, problem));
            }
        }
        Ok(Self { on, off, batch, consumed })
    }

    /// The faster of the batches.
    fn best(&self, of: impl Fn(&Cost) -> std::time::Duration) -> f64 {
        [Some(self.batch), self.consumed]
            .iter()
            .flatten()
            .map(|cost| of(cost).as_secs_f64())
            .fold(f64::INFINITY, f64::min)
    }

    fn record(&self, query: &Query, events: usize, report: &mut Report) {
        let mut rates = |variant: &str, cost: &Cost| {
            let series = |kind: &str| Series::new(query.suite, format!("{}.{variant}.{kind}", query.name));
            report.add(series("cpu").unit("events/cpu_second", Better::Higher), cost.per_cpu_second(events));
            report.add(series("wall").unit("events/second", Better::Higher), cost.per_second(events));
        };
        rates("sabot", &self.on.whole());
        rates("sabot_without_spans", &self.off.whole());
        rates("datafusion", &self.batch);
        if let Some(consumed) = &self.consumed {
            rates("datafusion_consumed", consumed);
        }
        let series = |kind: &str| Series::new(query.suite, format!("{}.{kind}", query.name));
        let (on, off) = (self.on.whole(), self.off.whole());
        let ratio = |kind: &str, best: f64, own: f64, report: &mut Report| {
            report.add(series(kind).unit("ratio", Better::Higher), best / own);
        };
        ratio("ratio.cpu", self.best(|cost| cost.cpu), on.cpu.as_secs_f64(), report);
        ratio("ratio.wall", self.best(|cost| cost.wall), on.wall.as_secs_f64(), report);
        let telemetry = |kind: &str| Series::new("telemetry", format!("{}.{kind}", query.name));
        let overhead =
            |on: std::time::Duration, off: std::time::Duration| (on.as_secs_f64() / off.as_secs_f64() - 1.0) * 100.0;
        report.add(telemetry("overhead.cpu").unit("percent", Better::Lower), overhead(on.cpu, off.cpu));
        report.add(telemetry("overhead.wall").unit("percent", Better::Lower), overhead(on.wall, off.wall));
        report.add(telemetry("spans").unit("spans", Better::Lower), to_f64(self.on.spans.0));
        report.add(telemetry("spans_dropped").unit("spans", Better::Lower), to_f64(self.on.spans.1));
        for (index, (name, busy)) in self.on.operators.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "averages are floating point")]
            let nanos = busy.as_nanos() as f64 / events as f64;
            report.add(series(&format!("operator.{index}.{name}")).unit("ns/event", Better::Lower), nanos);
        }
        report.add(series("commit_groups").unit("groups", Better::Lower), to_f64(self.on.groups));
        if self.on.groups > 0 {
            let rounds = to_f64(self.on.written.rounds) / to_f64(self.on.groups);
            report.add(series("fsync_rounds").unit("rounds/group", Better::Lower), rounds);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
