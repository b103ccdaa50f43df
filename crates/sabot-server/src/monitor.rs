//! Rates and recent history: one sample a second of every counter people watch.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sabot_common::clock::{SharedClock, Timestamp};
use sabot_common::registry;
use sabot_observatory::{MetricsHistory, SpanStore};
use sabot_runtime::{JobState, describe};
use serde::Serialize;
use tokio::sync::watch;

use crate::disk;
use crate::platform::{Counts, Platform};
use crate::process::{self, Usage};

/// Samples kept for the overview's charts: a quarter of an hour.
const HISTORY: usize = 900;
/// Between two looks at what the disk holds.
const DISK_SECONDS: u64 = 10;
/// Samples a rate is taken over.
const RATE_SAMPLES: usize = 3;

/// Takes samples and answers for rates.
pub(crate) struct Monitor {
    platform: Arc<Platform>,
    spans: Arc<SpanStore>,
    data_dir: PathBuf,
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    samples: VecDeque<(Duration, BTreeMap<String, u64>)>,
    history: VecDeque<Sample>,
    usage: Usage,
    cpu_ratio: f64,
}

/// One second of the whole process.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    #[serde(serialize_with = "as_text")]
    pub(crate) at: Timestamp,
    pub(crate) events_per_second: f64,
    pub(crate) late_total: u64,
    pub(crate) errors_total: u64,
    pub(crate) watermark_lag_seconds: Option<f64>,
    pub(crate) memory_bytes: u64,
}

/// Sums over all agents; those that count do not go back while the server runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) events_in: u64,
    pub(crate) events_out: u64,
    pub(crate) late: u64,
    pub(crate) errors: u64,
    pub(crate) lag: u64,
    /// Lowest watermark of running agents, microseconds.
    pub(crate) watermark: Option<i64>,
    pub(crate) watermark_lag_seconds: Option<f64>,
    /// Least progress of bounded sources.
    pub(crate) progress: Option<f64>,
}

impl Monitor {
    pub(crate) fn new(
        platform: Arc<Platform>,
        spans: Arc<SpanStore>,
        data_dir: PathBuf,
        clock: SharedClock,
    ) -> Arc<Self> {
        Arc::new(Self { platform, spans, data_dir, clock, state: Mutex::default() })
    }

    /// Samples once a second until the server closes.
    pub(crate) async fn run(self: Arc<Self>, metrics: Arc<MetricsHistory>, mut closed: watch::Receiver<bool>) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        for second in 0_u64.. {
            tokio::select! {
                biased;
                // An error means the server is gone, which closes it too.
                _ = closed.wait_for(|closed| *closed) => return,
                _ = seconds.tick() => {}
            }
            self.sample();
            metrics.tick();
            if second.is_multiple_of(DISK_SECONDS) {
                let monitor = Arc::clone(&self);
                // Files are counted one by one.
                tokio::task::spawn_blocking(move || monitor.export_disk());
            }
        }
    }

    fn sample(&self) {
        let now = self.clock.monotonic();
        let counters = self.counters();
        let totals = self.totals();
        let usage = process::usage();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.cpu_ratio = cpu_ratio(&state, now, usage);
            state.usage = usage;
            state.samples.push_back((now, counters));
            while state.samples.len() > RATE_SAMPLES + 1 {
                state.samples.pop_front();
            }
            let sample = Sample {
                at: self.clock.now(),
                events_per_second: rate(&state.samples, "all"),
                late_total: totals.late,
                errors_total: totals.errors,
                watermark_lag_seconds: totals.watermark_lag_seconds,
                memory_bytes: usage.memory_bytes,
            };
            state.history.push_back(sample);
            while state.history.len() > HISTORY {
                state.history.pop_front();
            }
        }
        self.export(usage);
    }

    /// Every counter a rate is asked for, by key.
    fn counters(&self) -> BTreeMap<String, u64> {
        let relaxed = Ordering::Relaxed;
        let mut counters = BTreeMap::new();
        self.platform.inspect(|sources, agents| {
            for (name, agent) in agents {
                let Some(stats) = &agent.stats else { continue };
                let read = stats.rows_in.load(relaxed);
                counters.insert(format!("agent:{name}"), read);
                counters.insert(format!("out:{name}"), stats.rows_out.load(relaxed));
            }
            for (name, source) in sources {
                let rows = source.job.as_ref().map_or(0, |job| job.stats().rows_out.load(relaxed));
                counters.insert(format!("source:{name}"), rows);
            }
        });
        for stream in self.platform.store.streams() {
            let latest = stream.partitions.iter().map(|p| p.latest).sum();
            counters.insert(format!("stream:{}", stream.spec.name), latest);
        }
        counters.insert("all".to_owned(), self.platform.counts().events_in);
        counters.insert("sources".to_owned(), self.platform.source_events());
        counters
    }

    /// Events per second of a counter, over the last samples.
    pub(crate) fn rate(&self, key: &str) -> f64 {
        rate(&self.state.lock().unwrap_or_else(PoisonError::into_inner).samples, key)
    }

    /// The samples there are, or those after a time.
    pub(crate) fn history(&self, since: Option<Timestamp>) -> Vec<Sample> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = |sample: &&Sample| since.is_none_or(|since| sample.at > since);
        state.history.iter().filter(newer).cloned().collect()
    }

    /// Memory in bytes and the share of all cores in use.
    pub(crate) fn usage(&self) -> (u64, f64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.usage.memory_bytes, state.cpu_ratio)
    }

    /// Sums over all agents, now.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(crate) fn totals(&self) -> Totals {
        let relaxed = Ordering::Relaxed;
        let Counts { events_in, events_out, late, errors } = self.platform.counts();
        let mut totals = Totals { events_in, events_out, late, errors, ..Totals::default() };
        self.platform.inspect(|sources, agents| {
            totals.lag = agents.values().map(|agent| self.platform.lag_events(agent)).sum();
            for stats in agents.values().filter_map(|agent| agent.stats.as_deref()) {
                if let Some(watermark) = stats.watermark_micros() {
                    let lowest = totals.watermark.map_or(watermark, |lowest| lowest.min(watermark));
                    totals.watermark = Some(lowest);
                    let lag = stats.newest_event_time.load(relaxed).saturating_sub(watermark).max(0) as f64 / 1e6;
                    totals.watermark_lag_seconds =
                        Some(totals.watermark_lag_seconds.map_or(lag, |most: f64| most.max(lag)));
                }
            }
            for source in sources.values() {
                totals.errors += u64::from(source.status().1.is_some());
                let Some(job) = &source.job else { continue };
                totals.errors += job.stats().dead.load(relaxed);
                if let Some(progress) = job.stats().progress() {
                    totals.progress = Some(totals.progress.map_or(progress, |least: f64| least.min(progress)));
                }
            }
        });
        totals
    }

    /// Sets the gauges of each agent.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
    fn export_agents(&self) {
        let metrics = &self.platform.registry;
        let lags = self.platform.consumer_lags();
        for (agent, stream, lag) in &lags {
            metrics.gauge(&describe(&registry::CONSUMER_LAG), &[stream, agent]).set(*lag as f64);
        }
        // One that was deleted meanwhile has its series back by now.
        let is_gone = |agent: &String| self.platform.inspect(|_, agents| !agents.contains_key(agent));
        for (agent, stream, _) in lags.iter().filter(|(agent, ..)| is_gone(agent)) {
            metrics.remove(&describe(&registry::CONSUMER_LAG), &[stream, agent]);
        }
    }

    /// Sets the gauges of the disk.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
    fn export_disk(&self) {
        for part in disk::PARTS {
            let bytes = disk::usage(&self.data_dir.join(part));
            self.platform.registry.gauge(&describe(&registry::DISK_USAGE), &[part]).set(bytes as f64);
        }
    }

    /// Sets the gauges that are read rather than counted.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
    fn export(&self, usage: Usage) {
        let metrics = &self.platform.registry;
        metrics.gauge(&describe(&registry::MEMORY_USAGE), &[]).set(usage.memory_bytes as f64);
        metrics.gauge(&describe(&registry::CPU_USAGE), &[]).set(self.usage().1);
        let (sources, agents) = self.platform.failures();
        for (component, healthy) in [
            ("store", !self.platform.is_disk_full()),
            ("sources", sources.is_empty()),
            ("agents", agents.is_empty()),
            ("telemetry", self.spans.unreadable().is_empty()),
        ] {
            metrics.gauge(&describe(&registry::COMPONENT_HEALTH), &[component]).set(f64::from(u8::from(healthy)));
        }
        self.export_agents();
        let mut by_status: BTreeMap<&'static str, f64> = BTreeMap::new();
        self.platform.inspect(|_, agents| {
            for agent in agents.values() {
                *by_status.entry(agent.status().0.as_str()).or_default() += 1.0;
            }
        });
        for status in JobState::ALL.map(JobState::as_str) {
            let count = by_status.get(status).copied().unwrap_or(0.0);
            metrics.gauge(&describe(&registry::AGENTS_ACTIVE), &["stream", status]).set(count);
        }
        for (join_type, bytes) in self.platform.join_state_bytes() {
            metrics.gauge(&describe(&registry::JOIN_STATE_BYTES), &[join_type]).set(bytes as f64);
        }
        for table in self.platform.tables().values() {
            let labels = [table.name(), table.backend().as_str()];
            metrics.gauge(&describe(&registry::STATE_SIZE), &labels).set(table.bytes() as f64);
            let (hits, misses) = table.cache_counts();
            metrics.counter(&describe(&registry::STATE_CACHE_HITS), &[table.name()]).raise_to(hits);
            metrics.counter(&describe(&registry::STATE_CACHE_MISSES), &[table.name()]).raise_to(misses);
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(samples: &VecDeque<(Duration, BTreeMap<String, u64>)>, key: &str) -> f64 {
    let (Some((from, first)), Some((to, last))) = (samples.front(), samples.back()) else { return 0.0 };
    let seconds = to.saturating_sub(*from).as_secs_f64();
    let of = |counters: &BTreeMap<String, u64>| counters.get(key).copied().unwrap_or(0);
    if seconds > 0.0 { of(last).saturating_sub(of(first)) as f64 / seconds } else { 0.0 }
}

fn cpu_ratio(state: &State, now: Duration, usage: Usage) -> f64 {
    let Some((before, _)) = state.samples.back() else { return 0.0 };
    let wall = now.saturating_sub(*before).as_secs_f64();
    let used = usage.cpu.saturating_sub(state.usage.cpu).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a handful of cores")]
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    if wall > 0.0 { (used / wall / cores).clamp(0.0, 1.0) } else { 0.0 }
}

/// The time as people read it.
pub(crate) fn instant(micros: i64) -> String {
    Timestamp::from_unix_micros(micros).to_string()
}
