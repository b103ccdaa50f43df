//! How long calls took.
//!
//! Invariant: nothing a caller makes up is a label: what a server has not implemented has one name, and a server's own
//! name, which callers write, is left out.

use std::sync::Arc;
use std::time::Duration;

use super::GRPC;
use crate::instrument::exchange::{DURATION_BUCKETS, Measure};
use crate::metrics::{Base, Instrument, InstrumentDesc, InstrumentKind};
use crate::record::{Attribute, AttributeValue};
use crate::{Registry, Text};

/// How many attributes of each call there are, if not more.
const USUAL_ATTRIBUTES: usize = 6;

/// The metrics of one side.
#[derive(Debug)]
pub(super) struct GrpcMetrics {
    durations: Option<Arc<Instrument>>,
    base: Base,
}

impl GrpcMetrics {
    pub(super) fn of_server(registry: &Registry) -> Self {
        Self::new(registry, "rpc.server.call.duration", "Time to answer a call.")
    }

    pub(super) fn of_client(registry: &Registry) -> Self {
        Self::new(registry, "rpc.client.call.duration", "Time until a call is answered.")
    }

    fn new(registry: &Registry, name: &'static str, description: &'static str) -> Self {
        let durations = InstrumentDesc::new(name, InstrumentKind::Histogram)
            .with_unit("s")
            .with_description(description)
            .with_buckets(DURATION_BUCKETS);
        Self { durations: registry.instrument(durations, None), base: Base::default() }
    }
}

/// A call that is measured, if anybody asked for that.
#[derive(Debug)]
pub(super) struct Measured(Option<(Arc<GrpcMetrics>, Vec<Attribute>)>);

impl Measured {
    pub(super) fn begin(
        metrics: Option<&Arc<GrpcMetrics>>,
        method: &Text,
        more: impl IntoIterator<Item = Attribute>,
    ) -> Self {
        let Some(metrics) = metrics else { return Self(None) };
        let mut attributes: Vec<Attribute> = Vec::with_capacity(USUAL_ATTRIBUTES);
        attributes.push((Text::Static("rpc.system.name"), GRPC.into()));
        attributes.push((Text::Static("rpc.method"), method.clone().into()));
        attributes.extend(more);
        Self(Some((Arc::clone(metrics), attributes)))
    }
}

impl Measure for Measured {
    /// A key that is there already has the new value.
    fn note(&mut self, key: &'static str, value: AttributeValue) {
        let Some((_, attributes)) = &mut self.0 else { return };
        match attributes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => attributes.push((Text::Static(key), value)),
        }
    }

    fn finish(&mut self, elapsed: Duration) {
        if let Some((metrics, attributes)) = self.0.take()
            && let Some(durations) = &metrics.durations
        {
            durations.with_series(&metrics.base, &attributes, |series| series.observe(elapsed.as_secs_f64()));
        }
    }
}
