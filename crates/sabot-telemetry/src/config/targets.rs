//! Endpoints as targets: who names an address for a kind of telemetry gets a target for it.

use std::time::Duration;

use super::{
    Compression, ConfigError, Headers, OtlpProtocol, Signal, Target, TargetKind, TelemetryConfig, Tls, endpoint,
};

/// What else there is to say about the way to an endpoint; what is not said here is as for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wire {
    /// Whether the endpoint is the whole address, and gets no usual path.
    pub(crate) exact: bool,
    /// How requests are made smaller.
    pub(crate) compression: Option<Compression>,
    /// How long one request may take.
    pub(crate) timeout: Option<Duration>,
    /// Certificates.
    pub(crate) tls: Option<Tls>,
}

/// One kind of telemetry on its way.
struct Way<'a> {
    signal: Signal,
    endpoint: &'a str,
    protocol: OtlpProtocol,
    headers: &'a Headers,
    wire: &'a Wire,
    timeout: Duration,
}

impl TelemetryConfig {
    /// The endpoints as targets; one that several signals share is one target.
    pub(super) fn targets(&self) -> Result<Vec<Target>, ConfigError> {
        let mut targets: Vec<Target> = Vec::new();
        for way in self.ways() {
            let timeout = way.wire.timeout.unwrap_or(way.timeout);
            let mut target =
                Target::otlp("otlp", way.endpoint, way.protocol).with_timeout(timeout).with_signals([way.signal]);
            target.headers.clone_from(way.headers);
            target.compression = way.wire.compression.unwrap_or(self.compression);
            target.tls = way.wire.tls.as_ref().unwrap_or(&self.tls).clone();
            target.exact_path = way.wire.exact;
            match targets.iter_mut().find(|other| is_same(other, &target)) {
                Some(same) => same.signals.push(way.signal),
                None => targets.push(target),
            }
        }
        if targets.len() > 1 {
            for target in &mut targets {
                let signals: Vec<&str> = target.signals.iter().map(|signal| signal.as_str()).collect();
                target.name = format!("otlp-{}", signals.join("-"));
            }
        }
        if let Some(endpoint) = &self.jaeger_endpoint {
            let (otlp, _) = endpoint::jaeger(endpoint)?;
            targets.push(Target::otlp("jaeger", otlp, OtlpProtocol::Grpc).with_signals([Signal::Traces]));
        }
        if let Some(endpoint) = &self.zipkin_endpoint {
            let kind = TargetKind::Zipkin { endpoint: endpoint.clone() };
            let mut target = Target::new("zipkin", kind).with_signals([Signal::Traces]);
            target.timeout = self.zipkin_timeout.unwrap_or(target.timeout);
            targets.push(target);
        }
        if !self.console.is_empty() {
            targets.push(Target::new("console", TargetKind::Console).with_signals(self.console.iter().copied()));
        }
        Ok(targets)
    }

    /// The kinds of telemetry that have an endpoint.
    fn ways(&self) -> impl Iterator<Item = Way<'_>> {
        let (traces, metrics, logs) = (&self.traces, &self.metrics, &self.logs);
        [
            traces.otlp_endpoint.as_deref().map(|endpoint| Way {
                signal: Signal::Traces,
                endpoint,
                protocol: traces.otlp_protocol,
                headers: &traces.headers,
                wire: &traces.wire,
                timeout: traces.batch_config.export_timeout,
            }),
            metrics.otlp_endpoint.as_deref().map(|endpoint| Way {
                signal: Signal::Metrics,
                endpoint,
                protocol: metrics.otlp_protocol,
                headers: &metrics.headers,
                wire: &metrics.wire,
                timeout: metrics.export_config.timeout,
            }),
            logs.otlp_endpoint.as_deref().map(|endpoint| Way {
                signal: Signal::Logs,
                endpoint,
                protocol: logs.otlp_protocol,
                headers: &logs.headers,
                wire: &logs.wire,
                timeout: logs.batch_config.export_timeout,
            }),
        ]
        .into_iter()
        .flatten()
    }
}

/// Whether two ways lead to one place, in one manner.
fn is_same(one: &Target, other: &Target) -> bool {
    let without_name_and_signals =
        |target: &Target| Target { name: String::new(), signals: Vec::new(), ..target.clone() };
    !one.exact_path && without_name_and_signals(one) == without_name_and_signals(other)
}
