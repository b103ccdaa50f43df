//! The environment: OpenTelemetry's variables, and above them Sabot's.
//!
//! An empty variable counts as none, as the specification wants it. One that cannot be understood is an error: the
//! specification would have it ignored, and nobody would know.

use std::time::Duration;

use super::{Compression, ConfigError, OtlpProtocol, TelemetryConfig, Temporality, duration};
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
            (
                "TRACES",
                (&mut traces.otlp_endpoint, &mut traces.exact_endpoint),
                &mut traces.otlp_protocol,
                &mut traces.headers,
            ),
            (
                "METRICS",
                (&mut metrics.otlp_endpoint, &mut metrics.exact_endpoint),
                &mut metrics.otlp_protocol,
                &mut metrics.headers,
            ),
            ("LOGS", (&mut logs.otlp_endpoint, &mut logs.exact_endpoint), &mut logs.otlp_protocol, &mut logs.headers),
        ];
        for (signal, (endpoint, exact), protocol, headers) in signals {
            let either = |what: &str| {
                let own = format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
                let general = format!("OTEL_EXPORTER_OTLP_{what}");
                of.text(&own).map(|value| (own, value)).or_else(|| of.text(&general).map(|value| (general, value)))
            };
            if let Some((name, address)) =
                either("ENDPOINT").or_else(|| Some((String::new(), of.text("OTLP_ENDPOINT")?)))
            {
                // The address of one signal is used as it is.
                *exact = name.contains(signal);
                *endpoint = Some(address);
            }
            if let Some((name, value)) = either("PROTOCOL") {
                *protocol = OtlpProtocol::parse(&name, &value)?;
            }
            if let Some((name, list)) = either("HEADERS") {
                *headers = pairs(&name, &list)?.into_iter().collect();
            }
        }
        if let Some(timeout) = of.time("OTEL_EXPORTER_OTLP_TIMEOUT")? {
            traces.batch_config.export_timeout = timeout;
            metrics.export_config.timeout = timeout;
        }
        set(&mut traces.batch_config.export_timeout, of.time("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")?);
        set(&mut metrics.export_config.timeout, of.time("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")?);
        Ok(())
    }

    fn apply_gathering(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        let batch = &mut self.traces.batch_config;
        set(&mut batch.scheduled_delay, of.time("OTEL_BSP_SCHEDULE_DELAY")?);
        set(&mut batch.export_timeout, of.time("OTEL_BSP_EXPORT_TIMEOUT")?);
        set(&mut batch.max_queue_size, of.count("OTEL_BSP_MAX_QUEUE_SIZE")?);
        set(&mut batch.max_export_batch_size, of.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?);
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
        for (name, endpoint) in [
            ("OTEL_TRACES_EXPORTER", &mut self.traces.otlp_endpoint),
            ("OTEL_METRICS_EXPORTER", &mut self.metrics.otlp_endpoint),
            ("OTEL_LOGS_EXPORTER", &mut self.logs.otlp_endpoint),
        ] {
            let Some(list) = of.text(name) else { continue };
            let mut otlp = false;
            for kind in list.split(',').map(str::trim) {
                match (kind, name) {
                    ("otlp", _) => otlp = true,
                    ("zipkin", "OTEL_TRACES_EXPORTER") => {
                        let address = of.text("OTEL_EXPORTER_ZIPKIN_ENDPOINT");
                        let usual = || "http://localhost:9411/api/v2/spans".to_owned();
                        self.zipkin_endpoint = Some(address.unwrap_or_else(usual));
                    }
                    // Served to whoever asks, not sent.
                    ("prometheus", "OTEL_METRICS_EXPORTER") => {
                        self.metrics.prometheus_address = Some(prometheus_address(of, None)?);
                    }
                    ("none", _) => {}
                    _ => {
                        let problem = "write otlp, zipkin (traces), prometheus (metrics) or none";
                        return Err(ConfigError::setting(name, kind, problem));
                    }
                }
            }
            if !otlp {
                *endpoint = None;
            }
        }
        let compression = "OTEL_EXPORTER_OTLP_COMPRESSION";
        if let Some(value) = of.text(compression) {
            let chosen = match value.as_str() {
                "gzip" => Compression::Gzip,
                "none" => Compression::None,
                _ => return Err(ConfigError::setting(compression, value, "write gzip or none")),
            };
            self.exporters.targets.iter_mut().for_each(|target| target.compression = chosen);
            self.compression = chosen;
        }
        Ok(())
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

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
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

struct Variables<'a>(Lookup<'a>);

impl Variables<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
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
        let (key, value) = (key.trim(), percent_decoded(value.trim()).ok_or_else(wrong)?);
        if key.is_empty() { Err(wrong()) } else { Ok((key.to_owned(), value)) }
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

    use crate::config::{Compression, OtlpProtocol, Signal, Temporality};
    use crate::{ConfigError, SamplingStrategy, TelemetryConfig};

    fn with(variables: &[(&str, &str)]) -> Result<TelemetryConfig, ConfigError> {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        TelemetryConfig::new("code").with_otlp_endpoint("http://code:4317").with_variables(&lookup)
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
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%20b, region = eu "),
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
            ("OTEL_TRACES_EXPORTER", "jaeger", "write otlp, zipkin (traces), prometheus (metrics) or none"),
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
