//! The deployed parts as a graph: what feeds what, and how fast.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use sabot_common::clock::Timestamp;
use sabot_common::config::{LateTo, Output};
use sabot_runtime::JobStats;
use serde::Serialize;

use super::Platform;

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

impl Platform {
    /// The graph, with rates taken from `rate_of(key)`: `agent:NAME`, `source:NAME`, `out:NAME`, `stream:NAME`.
    pub(crate) fn graph(&self, rate_of: &dyn Fn(&str) -> f64) -> Graph {
        let mut graph = Graph::default();
        let totals: BTreeMap<String, u64> = self
            .store
            .streams()
            .into_iter()
            .map(|stream| (stream.spec.name.clone(), stream.partitions.iter().map(|p| p.latest).sum()))
            .collect();
        let tables = self.tables();
        let state = self.state();
        for (name, source) in &state.sources {
            let id = format!("source:{name}");
            let rate = rate_of(&id);
            let (status, error) = source.status();
            let target = if source.fills_table { format!("table:{name}") } else { format!("stream:{name}") };
            let log = if source.fills_table { format!("{name}.changelog") } else { name.clone() };
            let events_total = totals.get(&log).copied().unwrap_or(0);
            graph.nodes.push(Node {
                id: id.clone(),
                kind: "source",
                name: source.file.clone(),
                status: status.as_str(),
                events_total,
                events_per_second: rate,
                errors_total: u64::from(error.is_some()),
                detail: error.unwrap_or_default(),
                ..Node::default()
            });
            graph.edges.push(Edge { from: id, to: target, events_total, events_per_second: rate });
        }
        for (name, total) in totals.iter().filter(|(name, _)| !name.ends_with(".changelog")) {
            let rate = rate_of(&format!("stream:{name}"));
            graph.nodes.push(Node {
                id: format!("stream:{name}"),
                kind: "stream",
                name: name.clone(),
                status: "ready",
                events_total: *total,
                events_per_second: rate,
                ..Node::default()
            });
        }
        for (name, table) in &tables {
            graph.nodes.push(Node {
                id: format!("table:{name}"),
                kind: "table",
                name: name.clone(),
                status: "ready",
                events_total: table.len() as u64,
                detail: table.backend().as_str().to_owned(),
                ..Node::default()
            });
        }
        for (name, agent) in &state.agents {
            let id = format!("agent:{name}");
            let (status, error) = agent.status();
            let (rate, rate_out) = (rate_of(&id), rate_of(&format!("out:{name}")));
            let count = |pick: fn(&JobStats) -> u64| agent.stats.as_deref().map_or(0, pick);
            let (rows_in, rows_out) =
                (count(|s| s.rows_in.load(Ordering::Relaxed)), count(|s| s.rows_out.load(Ordering::Relaxed)));
            let late = count(|s| s.late.load(Ordering::Relaxed));
            let watermark = agent.stats.as_deref().and_then(JobStats::watermark_micros);
            graph.nodes.push(Node {
                id: id.clone(),
                kind: "agent",
                name: name.clone(),
                status: status.as_str(),
                events_total: rows_in,
                events_per_second: rate,
                late_total: late,
                errors_total: count(|s| s.errors.load(Ordering::Relaxed)),
                watermark: watermark.map(|micros| Timestamp::from_unix_micros(micros).to_string()),
                watermark_lag_seconds: agent.stats.as_deref().and_then(watermark_lag_seconds),
                detail: error.unwrap_or_default(),
            });
            let edge = |from: String, to: String, events_total, events_per_second| Edge {
                from,
                to,
                events_total,
                events_per_second,
            };
            if let Ok(plan) = &agent.plan {
                graph.edges.push(edge(format!("stream:{}", plan.plan.scan.relation), id.clone(), rows_in, rate));
                for table in plan.plan.tables() {
                    graph.edges.push(edge(format!("table:{table}"), id.clone(), rows_in, rate));
                }
            }
            let target = match &agent.config.output {
                Output::Stream { name, .. } => format!("stream:{name}"),
                Output::Table { name, .. } => format!("table:{name}"),
                other => {
                    let sink = format!("sink:{name}");
                    graph.nodes.push(Node {
                        id: sink.clone(),
                        kind: "sink",
                        name: other.to_string(),
                        status: "ready",
                        events_total: rows_out,
                        events_per_second: rate_out,
                        ..Node::default()
                    });
                    sink
                }
            };
            graph.edges.push(edge(id.clone(), target, rows_out, rate_out));
            if let LateTo::Stream(late_to) = &agent.config.late.to {
                graph.edges.push(edge(id, format!("stream:{late_to}"), late, 0.0));
            }
        }
        graph
    }
}
