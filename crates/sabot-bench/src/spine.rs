//! Queries over events in memory: as an agent with spans on and off, and as a batch, in turns.
//!
//! The agent's rows end in a blackhole, its offsets and state in a store. An agent is compared with the fastest of the
//! ways its query can be written as a batch. Planning counts on both sides.
//!
//! What spans cost is measured over runs that take longer together than a server waits before it writes a block of spans: a
//! short run alone would have all of a block to pay for, or nothing of it. They take turns with runs without spans, about a
//! second each, since a machine is not as fast all the time; what the threads that store spans take in the meantime is
//! theirs, whoever runs.

use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use sabot_common::config::Output;

use crate::baseline::Baseline;
use crate::cli::Cli;
use crate::engine::{self, Run};
use crate::error::BenchError;
use crate::meter::{Cost, Meter};
use crate::report::{Better, Report, Series};
use crate::telemetry::{SpanCounts, Telemetry};
use crate::workload::{QUERIES, Query, Workload};

/// About how long one side runs before it is the other's turn.
const TURN: Duration = Duration::from_secs(1);
/// How often each has its turn: longer together than the five seconds after which a server writes a block of spans.
const TURNS: u32 = 6;

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

/// One run of each variant, and runs that take turns.
struct Round {
    on: Run,
    off: Run,
    batches: Vec<(&'static str, Cost)>,
    turns_on: Turns,
    turns_off: Turns,
}

/// What several runs of one agent took, with the storing of their spans.
#[derive(Default)]
struct Turns {
    cost: Cost,
    spans: SpanCounts,
    /// What of the cost is storing.
    storing: Duration,
}

impl Bench<'_> {
    fn round(&self, query: &Query, number: usize) -> Result<Round, BenchError> {
        let agent = |telemetry: &Telemetry| {
            let mut run = engine::run(self.workload, query, &Output::Blackhole, telemetry, self.dir)?;
            // The writing of its spans belongs to it.
            let settling = Meter::start();
            telemetry.settle()?;
            run.running.cpu += settling.cost().cpu;
            Ok::<_, BenchError>(run)
        };
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
        let (turns_on, turns_off) = self.turns(query, number, runs_in(TURN, off.whole().wall))?;
        Ok(Round { on, off, batches, turns_on, turns_off })
    }

    /// Runs with spans and without in turns of so many runs each.
    fn turns(&self, query: &Query, number: usize, runs: u32) -> Result<(Turns, Turns), BenchError> {
        let (mut on, mut off) = (Turns::default(), Turns::default());
        let (earlier, stored) = (self.on.counts(), Telemetry::storing()?);
        for turn in 0..TURNS {
            let on_first = (number + turn as usize).is_multiple_of(2);
            for with_spans in [on_first, !on_first] {
                let (telemetry, sum) = if with_spans { (&self.on, &mut on.cost) } else { (&self.off, &mut off.cost) };
                for _ in 0..runs {
                    let stored = Telemetry::storing()?;
                    let run = engine::run(self.workload, query, &Output::Blackhole, telemetry, self.dir)?.whole();
                    let storing = Telemetry::storing()?.saturating_sub(stored);
                    sum.wall += run.wall;
                    sum.cpu += run.cpu.saturating_sub(storing);
                }
            }
        }
        // What is left is written here and not by its thread.
        let (settling, storing) = (Meter::start(), Telemetry::storing()?);
        self.on.settle()?;
        let ended = Telemetry::storing()?;
        on.storing = settling.cost().cpu.saturating_sub(ended.saturating_sub(storing));
        on.storing += ended.saturating_sub(stored);
        on.cost.cpu += on.storing;
        on.spans = self.on.counts().since(earlier);
        Ok((on, off))
    }
}

/// How many runs take about so long.
fn runs_in(time: Duration, one: Duration) -> u32 {
    u32::try_from(time.as_nanos() / one.as_nanos().max(1)).unwrap_or(u32::MAX).max(1)
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

    /// What spans cost: runs with them against as many without.
    fn record_spans(&self, query: &Query, report: &mut Report) {
        let (on, off, spans) = (self.turns_on.cost, self.turns_off.cost, self.turns_on.spans);
        let series = |kind: &str| Series::new("telemetry", format!("{}.{kind}", query.name));
        let share = |on: Duration, off: Duration| (on.as_secs_f64() / off.as_secs_f64() - 1.0) * 100.0;
        report.add(series("overhead.cpu").unit("percent", Better::Lower), share(on.cpu, off.cpu));
        report.add(series("overhead.wall").unit("percent", Better::Lower), share(on.wall, off.wall));
        let storing = self.turns_on.storing.as_secs_f64() / off.cpu.as_secs_f64() * 100.0;
        report.add(series("overhead.cpu.storing").unit("percent", Better::Lower), storing);
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
