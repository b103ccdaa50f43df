//! The deployed parts as a graph: what feeds what, and how fast.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use sabot_common::clock::Timestamp;
use sabot_common::config::{LateTo, Output};
use sabot_runtime::JobStats;
use sabot_store::StreamInfo;
use serde::Serialize;

use super::{AgentEntry, Platform, SourceEntry};

/// Nodes and edges.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
}

/// One part.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// `source`, `stream`, `table`, `agent` or `sink`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) status: &'static str,
    pub(crate) events_total: u64,
    pub(crate) events_per_second: f64,
    pub(crate) late_total: u64,
    pub(crate) errors_total: u64,
    pub(crate) watermark: Option<String>,
    pub(crate) watermark_lag_seconds: Option<f64>,
    pub(crate) detail: String,
}

/// What flows from one part to another.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) events_total: u64,
    pub(crate) events_per_second: f64,
}

/// Seconds the watermark is behind the newest event.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn watermark_lag_seconds(stats: &JobStats) -> Option<f64> {
    let newest = stats.newest_event_time.load(Ordering::Relaxed);
    stats.watermark_micros().map(|watermark| newest.saturating_sub(watermark).max(0) as f64 / 1e6)
}

/// Events per second by key: `agent:NAME`, `source:NAME`, `out:NAME`, `stream:NAME`.
type RateOf<'a> = &'a dyn Fn(&str) -> f64;

impl Platform {
    /// The graph, with its rates.
    pub(crate) fn graph(&self, rate_of: RateOf<'_>) -> Graph {
        let mut graph = Graph::default();
        let total = |stream: StreamInfo| {
            let rows = stream.partitions.iter().map(|partition| partition.latest).sum();
            (stream.spec.name.clone(), rows)
        };
        let totals: BTreeMap<String, u64> = self.store.streams().into_iter().map(total).collect();
        let tables = self.tables();
        self.inspect(|sources, agents| {
            for (name, source) in sources {
                graph.add_source(name, source, &totals, rate_of);
            }
            // What a table or an agent keeps in a stream is a part of it.
            let is_part = |name: &str| {
                let writes_file = |agent: &str| agents.get(agent).is_some_and(AgentEntry::writes_file);
                name.ends_with(".changelog") || name.strip_suffix(".file").is_some_and(writes_file)
            };
            for (name, total) in totals.iter().filter(|(name, _)| !is_part(name)) {
                let rate = rate_of(&format!("stream:{name}"));
                graph.nodes.push(Node::resting("stream", name, *total, rate));
            }
            for (name, table) in &tables {
                let node = Node::resting("table", name, table.len() as u64, 0.0);
                graph.nodes.push(Node { detail: table.backend().as_str().to_owned(), ..node });
            }
            for (name, agent) in agents {
                graph.add_agent(name, agent, rate_of);
            }
        });
        graph
    }
}

impl Node {
    fn resting(kind: &'static str, name: &str, events_total: u64, events_per_second: f64) -> Self {
        let (id, name, status) = (format!("{kind}:{name}"), name.to_owned(), "ready");
        Self { id, kind, name, status, events_total, events_per_second, ..Self::default() }
    }
}

impl Graph {
    fn edge(&mut self, from: String, to: String, events_total: u64, events_per_second: f64) {
        self.edges.push(Edge { from, to, events_total, events_per_second });
    }

    fn add_source(&mut self, name: &str, source: &SourceEntry, totals: &BTreeMap<String, u64>, rate_of: RateOf<'_>) {
        let id = format!("source:{name}");
        let (status, error) = source.status();
        let (kind, log) =
            if source.fills_table { ("table", format!("{name}.changelog")) } else { ("stream", name.to_owned()) };
        let events_total = totals.get(&log).copied().unwrap_or(0);
        let events_per_second = rate_of(&id);
        self.nodes.push(Node {
            id: id.clone(),
            kind: "source",
            name: source.file.clone(),
            status: status.as_str(),
            events_total,
            events_per_second,
            errors_total: u64::from(error.is_some()),
            detail: error.unwrap_or_default(),
            ..Node::default()
        });
        self.edge(id.clone(), format!("{kind}:{name}"), events_total, events_per_second);
        // The stream of bad rows exists from the first one on, or since an agent reads it.
        let dead = format!("{name}.dead");
        if let Some(rows) = totals.get(&dead) {
            let stream = format!("stream:{dead}");
            let rate = rate_of(&stream);
            self.edge(id, stream, *rows, rate);
        }
    }

    fn add_agent(&mut self, name: &str, agent: &AgentEntry, rate_of: RateOf<'_>) {
        let id = format!("agent:{name}");
        let (status, error) = agent.status();
        let stats = agent.stats.as_deref();
        let count = |pick: fn(&JobStats) -> u64| stats.map_or(0, pick);
        let (rate, rate_out) = (rate_of(&id), rate_of(&format!("out:{name}")));
        let rows_in = count(|s| s.rows_in.load(Ordering::Relaxed));
        let rows_out = count(|s| s.rows_out.load(Ordering::Relaxed));
        let late_total = count(|s| s.late.load(Ordering::Relaxed));
        let watermark = stats.and_then(JobStats::watermark_micros);
        self.nodes.push(Node {
            id: id.clone(),
            kind: "agent",
            name: name.to_owned(),
            status: status.as_str(),
            events_total: rows_in,
            events_per_second: rate,
            late_total,
            errors_total: count(|s| s.errors.load(Ordering::Relaxed)),
            watermark: watermark.map(|micros| Timestamp::from_unix_micros(micros).to_string()),
            watermark_lag_seconds: stats.and_then(watermark_lag_seconds),
            detail: error.or_else(|| Some(format!("waits for {}", agent.waits_for()?))).unwrap_or_default(),
        });
        if let Ok(plan) = &agent.plan {
            self.edge(format!("stream:{}", plan.plan.scan.relation), id.clone(), rows_in, rate);
            for table in plan.plan.tables() {
                self.edge(format!("table:{table}"), id.clone(), rows_in, rate);
            }
        }
        let target = match &agent.config.output {
            Output::Stream { name, .. } => format!("stream:{name}"),
            Output::Table { name, .. } => format!("table:{name}"),
            other => {
                let sink = Node::resting("sink", name, rows_out, rate_out);
                let target = sink.id.clone();
                self.nodes.push(Node { name: other.to_string(), ..sink });
                target
            }
        };
        self.edge(id.clone(), target, rows_out, rate_out);
        if let LateTo::Stream(late) = &agent.config.late.to {
            self.edge(id, format!("stream:{late}"), late_total, rate_of(&format!("stream:{late}")));
        }
    }
}
