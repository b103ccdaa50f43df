//! The environment: OpenTelemetry's variables, and above them Sabot's.
//!
//! An empty variable counts as none, as the specification wants it. One that cannot be understood is an error: the
//! specification would have it ignored, and nobody would know.

use std::path::PathBuf;
use std::time::Duration;

use super::{Compression, ConfigError, OtlpProtocol, Signal, TelemetryConfig, Temporality, Tls, duration};
use crate::sampling::SamplingStrategy;

/// Looks a variable up.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl TelemetryConfig {
    /// The same, with what the environment says.
    pub fn with_environment_variables(self) -> Result<Self, ConfigError> {
        self.with_variables(&|name| std::env::var(name).ok())
    }

    /// The same, with what a given environment says.
    pub(crate) fn with_variables(mut self, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let of = Variables(lookup);
        self.apply_service(&of)?;
        self.apply_gathering(&of)?;
        self.apply_otlp(&of)?;
        self.apply_exporters(&of)?;
        self.apply_propagators(&of)?;
        self.apply_limits(&of)?;
        self.note_what_is_not_followed(&of);
        self.apply_own(&of)?;
        Ok(self)
    }

    fn apply_service(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        if let Some(list) = of.text("OTEL_RESOURCE_ATTRIBUTES") {
            let attributes = pairs("OTEL_RESOURCE_ATTRIBUTES", &list)?;
            if let Some((_, name)) = attributes.iter().rfind(|(key, _)| key == "service.name") {
                self.service_name.clone_from(name);
            }
            self.resource_attributes.extend(attributes.into_iter().filter(|(key, _)| key != "service.name"));
        }
        set(&mut self.service_name, of.text("OTEL_SERVICE_NAME"));
        if let Some(name) = of.text("OTEL_TRACES_SAMPLER") {
            let argument = of.text("OTEL_TRACES_SAMPLER_ARG");
            self.sampling.strategy = SamplingStrategy::from_otel(&name, argument.as_deref())?;
        }
        let content = of.flag("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")?;
        set(&mut self.redaction.capture_message_content, content);
        if of.flag("OTEL_SDK_DISABLED")? == Some(true) {
            self.enabled = false;
            (self.traces.enabled, self.metrics.enabled, self.logs.enabled) = (false, false, false);
        }
        Ok(())
    }

    fn apply_otlp(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        let (traces, metrics, logs) = (&mut self.traces, &mut self.metrics, &mut self.logs);
        let signals = [
            ("TRACES", &mut traces.otlp_endpoint, &mut traces.wire, &mut traces.otlp_protocol, &mut traces.headers),
            (
                "METRICS",
                &mut metrics.otlp_endpoint,
                &mut metrics.wire,
                &mut metrics.otlp_protocol,
                &mut metrics.headers,
            ),
            ("LOGS", &mut logs.otlp_endpoint, &mut logs.wire, &mut logs.otlp_protocol, &mut logs.headers),
        ];
        for (signal, endpoint, wire, protocol, headers) in signals {
            let either = |what: &str| of.either(signal, what);
            if let Some((name, address)) =
                either("ENDPOINT").or_else(|| Some((String::new(), of.text("OTLP_ENDPOINT")?)))
            {
                // The address of one signal is used as it is.
                wire.exact = name.contains(signal);
                let insecure = either("INSECURE").map(|(name, _)| of.flag(&name)).transpose()?.flatten();
                *endpoint = Some(match insecure {
                    Some(insecure) if !address.contains("://") => {
                        format!("{}://{address}", if insecure { "http" } else { "https" })
                    }
                    _ => address,
                });
            }
            if let Some((name, value)) = either("PROTOCOL") {
                *protocol = OtlpProtocol::parse(&name, &value)?;
            }
            if let Some((name, list)) = either("HEADERS") {
                *headers = pairs(&name, &list)?.into_iter().collect();
            }
            if let Some((name, _)) = either("TIMEOUT") {
                wire.timeout = of.time(&name)?;
            }
            if let Some((name, value)) = either("COMPRESSION") {
                wire.compression = Some(compression(&name, &value)?);
            }
            let file = |what: &str| either(what).map(|(_, path)| PathBuf::from(path));
            let (ca_file, cert_file) = (file("CERTIFICATE"), file("CLIENT_CERTIFICATE"));
            let tls = Tls { ca_file, cert_file, key_file: file("CLIENT_KEY") };
            if tls.is_given() {
                wire.tls = Some(tls);
            }
        }
        Ok(())
    }

    fn apply_gathering(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        for (processor, batch) in [("BSP", &mut self.traces.batch_config), ("BLRP", &mut self.logs.batch_config)] {
            let name = |what: &str| format!("OTEL_{processor}_{what}");
            set(&mut batch.scheduled_delay, of.time(&name("SCHEDULE_DELAY"))?);
            set(&mut batch.export_timeout, of.time(&name("EXPORT_TIMEOUT"))?);
            set(&mut batch.max_queue_size, of.count(&name("MAX_QUEUE_SIZE"))?);
            set(&mut batch.max_export_batch_size, of.count(&name("MAX_EXPORT_BATCH_SIZE"))?);
        }
        let metrics = &mut self.metrics;
        set(&mut metrics.export_config.interval, of.time("OTEL_METRIC_EXPORT_INTERVAL")?);
        set(&mut metrics.export_config.timeout, of.time("OTEL_METRIC_EXPORT_TIMEOUT")?);
        let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(value) = of.text(preference) {
            metrics.temporality = match value.to_ascii_lowercase().as_str() {
                "cumulative" => Temporality::Cumulative,
                "delta" | "lowmemory" => Temporality::Delta,
                _ => return Err(ConfigError::setting(preference, value, "write cumulative, delta or lowmemory")),
            };
        }
        Ok(())
    }

    /// `OTEL_TRACES_EXPORTER` and its like: which of the kinds are wanted.
    fn apply_exporters(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        for (name, signal) in [
            ("OTEL_TRACES_EXPORTER", Signal::Traces),
            ("OTEL_METRICS_EXPORTER", Signal::Metrics),
            ("OTEL_LOGS_EXPORTER", Signal::Logs),
        ] {
            let Some(list) = of.text(name) else { continue };
            let kinds: Vec<&str> = list.split(',').map(str::trim).collect();
            for kind in &kinds {
                match (*kind, signal) {
                    ("otlp" | "none", _) => {}
                    ("console", signal) => self.console.push(signal),
                    ("zipkin", Signal::Traces) => {
                        let address = of.text("OTEL_EXPORTER_ZIPKIN_ENDPOINT");
                        let usual = || "http://localhost:9411/api/v2/spans".to_owned();
                        self.zipkin_endpoint = Some(address.unwrap_or_else(usual));
                        self.zipkin_timeout = of.time("OTEL_EXPORTER_ZIPKIN_TIMEOUT")?;
                    }
                    // Served to whoever asks, not sent.
                    ("prometheus", Signal::Metrics) => {
                        self.metrics.prometheus_address = Some(prometheus_address(of, None)?);
                    }
                    (kind, _) => {
                        let problem = "write otlp, console, zipkin (traces), prometheus (metrics) or none";
                        return Err(ConfigError::setting(name, kind, problem));
                    }
                }
            }
            if kinds.contains(&"none") {
                self.exporters.targets.iter_mut().for_each(|target| target.signals.retain(|other| *other != signal));
            }
            if !kinds.contains(&"otlp") {
                *self.endpoint_of(signal) = None;
            }
        }
        let name = "OTEL_EXPORTER_OTLP_COMPRESSION";
        if let Some(value) = of.text(name) {
            let chosen = compression(name, &value)?;
            self.exporters.targets.iter_mut().for_each(|target| target.compression = chosen);
        }
        Ok(())
    }

    fn endpoint_of(&mut self, signal: Signal) -> &mut Option<String> {
        match signal {
            Signal::Traces => &mut self.traces.otlp_endpoint,
            Signal::Metrics => &mut self.metrics.otlp_endpoint,
            Signal::Logs => &mut self.logs.otlp_endpoint,
        }
    }

    /// What travels in headers.
    fn apply_propagators(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        const NAME: &str = "OTEL_PROPAGATORS";
        let Some(list) = of.text(NAME) else { return Ok(()) };
        let kinds: Vec<&str> = list.split(',').map(str::trim).collect();
        if let Some(unknown) = kinds.iter().find(|kind| !matches!(**kind, "tracecontext" | "baggage" | "none")) {
            return Err(ConfigError::setting(NAME, unknown, "write tracecontext, baggage or none"));
        }
        if !kinds.contains(&"tracecontext") {
            self.propagator = self.propagator.without_trace_context();
        }
        if !kinds.contains(&"baggage") {
            self.propagator = self.propagator.without_baggage();
        }
        Ok(())
    }

    /// Sabot's variables, which count more.
    fn apply_own(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        set(&mut self.service_name, of.text("SABOT_SERVICE_NAME"));
        set(&mut self.enabled, of.flag("SABOT_TELEMETRY_ENABLED")?);
        set(&mut self.jaeger_endpoint, of.text("SABOT_JAEGER_ENDPOINT").map(Some));
        if let Some(endpoint) = of.text("SABOT_OTLP_ENDPOINT") {
            *self = std::mem::replace(self, Self::new("")).with_otlp_endpoint(endpoint);
        }
        if of.flag("SABOT_CONSOLE_TRACING")? == Some(true) && !self.console.contains(&Signal::Traces) {
            self.console.push(Signal::Traces);
        }
        if let Some(port) = of.text("SABOT_PROMETHEUS_PORT") {
            self.metrics.prometheus_address = Some(prometheus_address(of, Some(("SABOT_PROMETHEUS_PORT", port)))?);
        }
        if let Some(rate) = of.text("SABOT_SAMPLE_RATE") {
            let problem = "write a share from 0 to 1, such as 0.1";
            let share = rate.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            let share = share.ok_or_else(|| ConfigError::setting("SABOT_SAMPLE_RATE", &rate, problem))?;
            self.sampling.strategy = Self::new("").with_sample_rate(share).sampling.strategy;
        }
        Ok(())
    }
}

pub(super) fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn compression(name: &str, value: &str) -> Result<Compression, ConfigError> {
    match value {
        "gzip" => Ok(Compression::Gzip),
        "none" => Ok(Compression::None),
        _ => Err(ConfigError::setting(name, value, "write gzip or none")),
    }
}

/// Where metrics are served: the usual place, unless the variables name another host or port.
fn prometheus_address(of: &Variables<'_>, port: Option<(&str, String)>) -> Result<String, ConfigError> {
    let host = of.text("OTEL_EXPORTER_PROMETHEUS_HOST").unwrap_or_else(|| "localhost".to_owned());
    let name = "OTEL_EXPORTER_PROMETHEUS_PORT";
    let (name, port) = port.or_else(|| Some((name, of.text(name)?))).unwrap_or_else(|| (name, "9464".to_owned()));
    let wrong = || ConfigError::setting(name, &port, "write a port, such as 9464, or 0 for a free one");
    let number: u16 = port.parse().map_err(|_no_number| wrong())?;
    Ok(if host.contains(':') { format!("[{host}]:{number}") } else { format!("{host}:{number}") })
}

pub(super) struct Variables<'a>(Lookup<'a>);

impl Variables<'_> {
    /// The value of a variable that is set to something.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable of the exporter for one signal, or the one for all, with its name.
    fn either(&self, signal: &str, what: &str) -> Option<(String, String)> {
        let (own, general) = (format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}"));
        [own, general].into_iter().find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        let parse = |value: String| match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(ConfigError::setting(name, value, "write true or false")),
        };
        self.text(name).map(parse).transpose()
    }

    fn time(&self, name: &str) -> Result<Option<Duration>, ConfigError> {
        let parse = |value: String| {
            let time = duration::parse(&value).filter(|time| !time.is_zero());
            time.ok_or_else(|| ConfigError::setting(name, value, "write milliseconds, such as 5000"))
        };
        self.text(name).map(parse).transpose()
    }

    fn count(&self, name: &str) -> Result<Option<usize>, ConfigError> {
        let parse = |value: String| {
            let count = value.parse().ok().filter(|count| *count > 0);
            count.ok_or_else(|| ConfigError::setting(name, value, "write a whole number above zero"))
        };
        self.text(name).map(parse).transpose()
    }
}

/// `key1=value1,key2=value2`, as in W3C Baggage: percent-encoded.
fn pairs(name: &str, list: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let pair = |pair: &str| {
        // Values may be secrets, and so may be what only looks like a key.
        let shown = pair.split_once('=').map_or("…", |(key, _)| key);
        let wrong = || ConfigError::setting(name, shown, "write pairs like key=value,other=value, percent-encoded");
        let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
        let decoded = |text: &str| percent_decoded(text.trim()).ok_or_else(wrong);
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() { Err(wrong()) } else { Ok((key, value)) }
    };
    list.split(',').filter(|pair| !pair.trim().is_empty()).map(pair).collect()
}

/// The text that was percent-encoded; `None` for what is not.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::{Compression, ExportersConfig, OtlpProtocol, Signal, Target, Temporality};
    use crate::{ConfigError, SamplingStrategy, TelemetryConfig};

    fn with(variables: &[(&str, &str)]) -> Result<TelemetryConfig, ConfigError> {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        TelemetryConfig::new("code").with_otlp_endpoint("http://code:4317").with_variables(&lookup)
    }

    #[test]
    fn one_kind_of_telemetry_can_go_its_own_way() {
        let config = with(&[
            ("OTEL_TRACES_EXPORTER", "otlp,console"),
            ("SABOT_CONSOLE_TRACING", "true"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "4000"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "ca.pem"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "70"),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "71"),
        ]);
        let settings = config.expect("a configuration").export_settings().expect("settings");
        let [traces, metrics, logs, console] = &settings.exporters.targets[..] else { panic!("{settings:?}") };
        assert_eq!((traces.timeout.as_secs(), metrics.timeout.as_secs(), logs.timeout.as_secs()), (3, 3, 4));
        let [of_traces, of_metrics] = [traces, metrics].map(|target| (target.compression, target.tls.ca_file.clone()));
        assert_eq!(of_traces, (Compression::None, None));
        assert_eq!(of_metrics, (Compression::Gzip, Some("ca.pem".into())));
        assert_eq!((console.name.as_str(), &console.signals[..]), ("console", &[Signal::Traces][..]));
        assert_eq!(settings.logs_batch.scheduled_delay, Duration::from_millis(70));
        assert_eq!((settings.logs_batch.max_queue_size, settings.batch.max_queue_size), (71, 2_048));
        let target = Target::otlp("written", "http://c:4317", OtlpProtocol::Grpc);
        let exporters = ExportersConfig { targets: vec![target], ..ExportersConfig::default() };
        let config = TelemetryConfig::new("code").with_exporters(exporters);
        let none = |name: &str| (name == "OTEL_LOGS_EXPORTER").then(|| "none".to_owned());
        let settings = config.with_variables(&none).expect("a configuration").export_settings().expect("settings");
        assert_eq!(settings.exporters.targets[0].signals, [Signal::Traces, Signal::Metrics]);
    }

    #[test]
    fn metrics_are_served_where_variables_say() {
        for (variables, address) in [
            (&[("OTEL_METRICS_EXPORTER", "prometheus,otlp")][..], Some("localhost:9464")),
            (&[("OTEL_METRICS_EXPORTER", "prometheus"), ("OTEL_EXPORTER_PROMETHEUS_HOST", "::1")], Some("[::1]:9464")),
            (
                &[
                    ("OTEL_METRICS_EXPORTER", "prometheus"),
                    ("OTEL_EXPORTER_PROMETHEUS_PORT", "1"),
                    ("SABOT_PROMETHEUS_PORT", "2"),
                ],
                Some("localhost:2"),
            ),
            (&[("OTEL_EXPORTER_PROMETHEUS_PORT", "1")], None),
        ] {
            let config = with(variables).expect("a configuration");
            assert_eq!(config.metrics.prometheus_address.as_deref(), address, "{variables:?}");
        }
    }

    #[test]
    fn the_variables_of_the_specification_count_more_than_code_and_those_of_sabot_more_than_both() {
        let config = with(&[
            ("OTEL_SERVICE_NAME", "otel"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,te%61m=a%20b, region = eu "),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=1%2C2"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:4317"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
            ("SABOT_SAMPLE_RATE", "0.25"),
        ])
        .expect("a configuration");
        let quarter = SamplingStrategy::TraceIdRatio { ratio: 0.25 }.parent_based();
        assert_eq!((config.service_name.as_str(), &config.sampling.strategy), ("otel", &quarter));
        let attribute = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(config.resource_attributes, [attribute("team", "a b"), attribute("region", "eu")]);
        let settings = config.export_settings().expect("settings");
        let [first, second] = &settings.exporters.targets[..] else { panic!("{settings:?}") };
        assert_eq!(
            (first.name.as_str(), &first.signals[..]),
            ("otlp-traces-metrics", &[Signal::Traces, Signal::Metrics][..])
        );
        assert_eq!((first.headers[0].1.as_str(), first.compression), ("1,2", Compression::Gzip));
        assert_eq!((second.name.as_str(), &second.signals[..]), ("otlp-logs", &[Signal::Logs][..]));
        assert_eq!(config.logs.otlp_protocol, OtlpProtocol::Grpc);
        assert_eq!(
            (settings.batch.scheduled_delay, settings.batch.max_export_batch_size),
            (Duration::from_millis(100), 7)
        );
        assert_eq!((settings.metrics_interval, settings.temporality), (Duration::from_secs(1), Temporality::Delta));
        let config = with(&[
            ("SABOT_SERVICE_NAME", "own"),
            ("OTEL_SERVICE_NAME", "otel"),
            ("SABOT_OTLP_ENDPOINT", "http://own:4317"),
        ]);
        let config = config.expect("a configuration");
        assert_eq!(
            (config.service_name.as_str(), config.traces.otlp_endpoint.as_deref()),
            ("own", Some("http://own:4317"))
        );
    }

    #[test]
    fn telemetry_can_be_switched_off_whole_or_in_part() {
        let off = with(&[("OTEL_SDK_DISABLED", "true")]).expect("a configuration");
        assert!(!off.enabled && off.export_settings().expect("settings").exporters.targets.is_empty());
        let some =
            with(&[("OTEL_LOGS_EXPORTER", "none"), ("OTEL_TRACES_EXPORTER", "otlp,zipkin")]).expect("a configuration");
        let targets = some.export_settings().expect("settings").exporters.targets;
        let signals: Vec<_> = targets.iter().map(|target| (target.name.as_str(), target.signals.len())).collect();
        assert_eq!(signals, [("otlp", 2), ("zipkin", 1)]);
        assert!(!with(&[("SABOT_TELEMETRY_ENABLED", "0")]).expect("a configuration").enabled);
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_that_says_what_to_write() {
        for (name, value, expected) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift", "write grpc, http/protobuf or http/json"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon", "write milliseconds, such as 5000"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "write a whole number above zero"),
            ("OTEL_TRACES_EXPORTER", "jaeger", "write otlp, console, zipkin (traces), prometheus (metrics) or none"),
            ("SABOT_PROMETHEUS_PORT", "http", "write a port, such as 9464, or 0 for a free one"),
            ("OTEL_SDK_DISABLED", "maybe", "write true or false"),
            ("OTEL_PROPAGATORS", "b3", "write tracecontext, baggage or none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "…", "write pairs like key=value,other=value, percent-encoded"),
            ("SABOT_SAMPLE_RATE", "1.5", "write a share from 0 to 1, such as 0.1"),
            ("SABOT_SAMPLE_RATE", "NaN", "write a share from 0 to 1, such as 0.1"),
        ] {
            let expected = format!("{name}: \"{value}\" is not valid: {expected}");
            assert_eq!(with(&[(name, value)]).expect_err(name).to_string(), expected);
        }
        let sampler = with(&[("OTEL_TRACES_SAMPLER", "sometimes")]).expect_err("no sampler").to_string();
        assert!(sampler.starts_with("sampling: sampler \"sometimes\""), "{sampler}");
        let ratio = with(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
        assert!(ratio.expect_err("no ratio").to_string().contains("2 is not a ratio; write a number from 0"));
        let secret = with(&[("OTEL_EXPORTER_OTLP_HEADERS", "k=%zz")]).expect_err("not percent-encoded").to_string();
        assert!(secret.starts_with("OTEL_EXPORTER_OTLP_HEADERS: \"k\" is not valid"), "{secret}");
        assert_eq!(with(&[("OTEL_EXPORTER_OTLP_PROTOCOL", " ")]), with(&[]), "an empty variable is none");
    }
}
