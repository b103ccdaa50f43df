//! Queries over events in memory: as an agent with spans on and off, and as a batch, in turns.
//!
//! The agent's rows end in a blackhole, its offsets and state in a store. An agent is compared with the fastest of the
//! ways its query can be written as a batch. Planning counts on both sides.

use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use sabot_common::config::Output;

use crate::baseline::Baseline;
use crate::cli::Cli;
use crate::engine::{self, Run};
use crate::error::BenchError;
use crate::meter::Cost;
use crate::report::{Better, Report, Series};
use crate::telemetry::Telemetry;
use crate::workload::{QUERIES, Query, Workload};

/// Measures all queries and reports samples, ratios and the cost of spans.
pub(crate) fn measure(cli: &Cli, workload: &Workload, dir: &Path, report: &mut Report) -> Result<(), BenchError> {
    let bench = Bench {
        workload,
        baseline: Baseline::new(workload, dir)?,
        on: Telemetry::with_spans(dir)?,
        off: Telemetry::without_spans()?,
        dir,
    };
    let wanted = |query: &&Query| cli.workload.is_empty() || cli.workload.iter().any(|name| name == query.name);
    for query in QUERIES.iter().filter(wanted) {
        for (round, counts) in cli.rounds() {
            let taken = bench.round(query, round)?;
            if counts {
                taken.record(query, workload.events, report);
            }
        }
    }
    bench.on.stop()?;
    bench.off.stop()
}

/// What all rounds share.
struct Bench<'a> {
    workload: &'a Workload,
    baseline: Baseline,
    on: Telemetry,
    off: Telemetry,
    dir: &'a Path,
}

/// One run of each variant.
struct Round {
    on: Run,
    off: Run,
    batches: Vec<(&'static str, Cost)>,
}

impl Bench<'_> {
    fn round(&self, query: &Query, number: usize) -> Result<Round, BenchError> {
        let agent = |telemetry| engine::run(self.workload, query, &Output::Blackhole, telemetry, self.dir);
        // Whoever goes second finds warmer caches: take turns.
        let (on, off) = if number.is_multiple_of(2) {
            let on = agent(&self.on)?;
            (on, agent(&self.off)?)
        } else {
            let off = agent(&self.off)?;
            (agent(&self.on)?, off)
        };
        let mut batches = Vec::new();
        for (index, (name, sql)) in query.batches.iter().enumerate() {
            let (cost, result) = self.baseline.run(sql)?;
            batches.push((*name, cost));
            let rows: usize = result.batches.iter().map(RecordBatch::num_rows).sum();
            if index == 0 && (on.rows_out, off.rows_out) != (rows as u64, rows as u64) {
                let problem = format!("the agent made {} rows, the batch {rows}", on.rows_out);
                return Err(BenchError::wrong(query.name, problem));
            }
        }
        Ok(Round { on, off, batches })
    }
}

impl Round {
    /// What the fastest of the batches took.
    fn fastest(&self, of: impl Fn(&Cost) -> Duration) -> Duration {
        self.batches.iter().map(|(_, cost)| of(cost)).min().unwrap_or_default()
    }

    fn record(&self, query: &Query, events: usize, report: &mut Report) {
        let (on, off) = (self.on.whole(), self.off.whole());
        let agents = [("sabot", on), ("sabot_without_spans", off)];
        for (variant, cost) in agents.iter().chain(&self.batches) {
            let series = |kind: &str| Series::new(query.suite, format!("{}.{variant}.{kind}", query.name));
            report.add(series("cpu").unit("events/cpu_second", Better::Higher), cost.per_cpu_second(events));
            report.add(series("wall").unit("events/second", Better::Higher), cost.per_second(events));
        }
        let series = |kind: &str| Series::new(query.suite, format!("{}.{kind}", query.name));
        let mut ratio = |kind: &str, of: fn(&Cost) -> Duration| {
            let ratio = self.fastest(of).as_secs_f64() / of(&on).as_secs_f64();
            report.add(series(kind).unit("ratio", Better::Higher), ratio);
        };
        ratio("ratio.cpu", |cost| cost.cpu);
        ratio("ratio.wall", |cost| cost.wall);
        self.record_operators(query, events, report);
        self.record_spans(query, report);
    }

    /// Where the time went, and what the commits took.
    fn record_operators(&self, query: &Query, events: usize, report: &mut Report) {
        let series = |kind: &str| Series::new(query.suite, format!("{}.{kind}", query.name));
        for (index, (name, busy)) in self.on.operators.iter().enumerate() {
            let nanos = busy.as_secs_f64() * 1e9 / to_f64(events as u64);
            report.add(series(&format!("operator.{index}.{name}")).unit("ns/event", Better::Lower), nanos);
        }
        let groups = to_f64(self.on.groups);
        report.add(series("commit_groups").unit("groups", Better::Lower), groups);
        if self.on.groups > 0 {
            let rounds = to_f64(self.on.written.rounds) / groups;
            report.add(series("fsync_rounds").unit("rounds/group", Better::Lower), rounds);
        }
    }

    /// What spans cost: the run with them against the run without.
    fn record_spans(&self, query: &Query, report: &mut Report) {
        let (on, off, spans) = (self.on.whole(), self.off.whole(), self.on.spans);
        let series = |kind: &str| Series::new("telemetry", format!("{}.{kind}", query.name));
        let share = |on: Duration, off: Duration| (on.as_secs_f64() / off.as_secs_f64() - 1.0) * 100.0;
        report.add(series("overhead.cpu").unit("percent", Better::Lower), share(on.cpu, off.cpu));
        report.add(series("overhead.wall").unit("percent", Better::Lower), share(on.wall, off.wall));
        report.add(series("spans").unit("spans", Better::Lower), to_f64(spans.received));
        report.add(series("spans_dropped").unit("spans", Better::Lower), to_f64(spans.dropped));
        if spans.received > 0 {
            let each = (on.cpu.as_secs_f64() - off.cpu.as_secs_f64()) * 1e9 / to_f64(spans.received);
            report.add(series("span").unit("ns/span", Better::Lower), each);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
