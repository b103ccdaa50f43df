//! Telemetry of this service, from its start to the account of what was sent.

use std::io::{self, Write};

use sabot_telemetry::{
    BusinessRecorder, Exporter, InstrumentDesc, InstrumentKind, MetricsRecorder, Registry, RouteStatus, Spans,
    TelemetryConfig, TelemetryError, TelemetryProviders, UserIdKey, UserIdKeyError, init_comprehensive_tracing,
};

use crate::args::Args;

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{0}")]
    Telemetry(#[from] TelemetryError),
    #[error("USER_ID_KEY: {0}")]
    UserIdKey(#[from] UserIdKeyError),
    #[error("no random numbers: {0}")]
    Random(#[source] io::Error),
}

/// What records and sends.
#[derive(Debug)]
pub(crate) struct Telemetry {
    providers: TelemetryProviders,
    business: BusinessRecorder,
}

impl Telemetry {
    /// Sends to where the environment says, if it says anything.
    pub(crate) fn start(args: &Args) -> Result<Self, StartError> {
        let key = match &args.user_id_key {
            Some(key) => UserIdKey::new(key)?,
            None => UserIdKey::random().map_err(StartError::Random)?,
        };
        let config = TelemetryConfig::new("tracing_service")
            .with_service_version(env!("CARGO_PKG_VERSION"))
            .with_baggage_attributes(["tenant.id"])
            .with_red_metrics("tracing_service_");
        let providers = init_comprehensive_tracing(config)?;
        if args.user_id_key.is_none() {
            tracing::info!("no USER_ID_KEY: pseudonyms of users change with every start");
        }
        if providers.exporter().is_none() {
            tracing::info!(
                "telemetry is not sent anywhere; set OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4317"
            );
        }
        let business = BusinessRecorder::new(providers.registry()).with_user_key(key);
        Ok(Self { providers, business })
    }

    pub(crate) const fn registry(&self) -> &Registry {
        self.providers.registry()
    }

    pub(crate) const fn spans(&self) -> &Spans {
        self.providers.spans()
    }

    pub(crate) const fn business(&self) -> &BusinessRecorder {
        &self.business
    }

    /// Records by name; units that matter are said once, here.
    pub(crate) fn recorder(&self) -> MetricsRecorder {
        let duration = InstrumentDesc::new("premium.operation.duration", InstrumentKind::Histogram);
        self.registry().describe(duration.with_unit("s").with_description("Time of a premium operation."));
        MetricsRecorder::new(self.registry())
    }

    /// Sends what is left and says what became of everything.
    pub(crate) async fn end(self, mut out: impl Write) -> io::Result<()> {
        let nothing_lost = self.providers.shutdown().await;
        let Some(exporter) = self.providers.exporter() else {
            return writeln!(out, "telemetry: recorded {} spans, sent nowhere", self.providers.span_queue().received());
        };
        tell(exporter, &mut out)?;
        if nothing_lost { Ok(()) } else { writeln!(out, "telemetry: some was lost for want of time") }
    }
}

/// A line for each kind of telemetry and each of its ways out.
fn tell(exporter: &Exporter, out: &mut impl Write) -> io::Result<()> {
    for RouteStatus { name, signal, ledger, exporters } in exporter.status() {
        let signal = signal.as_str();
        let (accepted, sent, dropped, queued) = (ledger.accepted, ledger.sent, ledger.dropped_total(), ledger.queued);
        writeln!(
            out,
            "telemetry: {signal} to {name}: accepted {accepted} = sent {sent} + dropped {dropped} + queued {queued}"
        )?;
        for problem in exporters.iter().filter_map(|exporter| exporter.last_problem.as_ref()) {
            writeln!(out, "telemetry: {signal} to {name}: {problem}")?;
        }
    }
    Ok(())
}
