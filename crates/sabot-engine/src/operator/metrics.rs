//! The metrics operators bind once.

use sabot_common::registry;
use sabot_runtime::describe;
use sabot_sql::LookupKind;
use sabot_telemetry::{Counter, Gauge, Histogram, Registry};

/// Metrics of one agent's operators.
#[derive(Clone, Debug)]
pub struct OperatorMetrics {
    registry: Registry,
    agent: String,
    pub(crate) aggregation: Histogram,
}

/// Metrics of one lookup join.
#[derive(Clone, Debug)]
pub(crate) struct JoinMetrics {
    pub(crate) operations: Counter,
    pub(crate) duration: Histogram,
    pub(crate) gets: Counter,
    pub(crate) get_duration: Histogram,
    pub(crate) skew: Gauge,
}

impl OperatorMetrics {
    /// Binds the metrics of `agent`.
    pub fn bind(registry: &Registry, agent: &str) -> Self {
        let aggregation = registry.histogram(&describe(&registry::AGGREGATION_DURATION), &[agent]);
        Self { registry: registry.clone(), agent: agent.to_owned(), aggregation }
    }

    pub(crate) fn join(&self, kind: LookupKind, backend: &str) -> JoinMetrics {
        let kind = [kind.as_str()];
        let get = ["get", backend];
        JoinMetrics {
            operations: self.registry.counter(&describe(&registry::JOIN_OPERATIONS), &kind),
            duration: self.registry.histogram(&describe(&registry::JOIN_DURATION), &kind),
            gets: self.registry.counter(&describe(&registry::STATE_OPERATIONS), &get),
            get_duration: self.registry.histogram(&describe(&registry::STATE_OPERATION_DURATION), &get),
            skew: self.registry.gauge(&describe(&registry::JOIN_KEY_SKEW), &[&self.agent]),
        }
    }
}
