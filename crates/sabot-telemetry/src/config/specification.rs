//! The specification's variables about single records, and those that ask for what there is not.
//!
//! Invariant: none of its variables is left aside in silence. What is not followed is told of once telemetry starts.

use super::environment::{Variables, set};
use super::{ConfigError, TelemetryConfig};
use crate::limits::RecordLimits;

/// Variables with the values that say what happens anyway, and what happens.
const FIXED: [(&str, &[&str], &str); 3] = [
    ("OTEL_METRICS_EXEMPLAR_FILTER", &["trace_based"], "exemplars are of sampled spans (trace_based)"),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        &["explicit_bucket_histogram"],
        "histograms have fixed buckets (explicit_bucket_histogram)",
    ),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &["0"], "attributes of links are counted and not kept"),
];
/// Files of configuration.
const FILES: [&str; 2] = ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"];

impl TelemetryConfig {
    /// How much is kept of spans and log records.
    pub(super) fn apply_limits(&mut self, of: &Variables<'_>) -> Result<(), ConfigError> {
        let (spans, logs) = (&mut self.span_limits, &mut self.log_limits);
        for (signal, limits) in [("SPAN_", &mut *spans), ("LOGRECORD_", logs)] {
            for general in ["", signal] {
                let name = |what: &str| format!("OTEL_{general}ATTRIBUTE_{what}_LIMIT");
                set(&mut limits.attribute_value_length, number(of, &name("VALUE_LENGTH"), usize::MAX)?);
                set(&mut limits.attributes, room(of, &name("COUNT"))?);
            }
        }
        set(&mut spans.events, room(of, "OTEL_SPAN_EVENT_COUNT_LIMIT")?);
        set(&mut spans.links, room(of, "OTEL_SPAN_LINK_COUNT_LIMIT")?);
        set(&mut spans.attributes_per_event, room(of, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT")?);
        Ok(())
    }

    /// Notes what is asked for in vain.
    pub(super) fn note_what_is_not_followed(&mut self, of: &Variables<'_>) {
        for (name, same, what) in FIXED {
            if let Some(value) = of.text(name).filter(|value| !same.contains(&value.as_str())) {
                self.not_followed.push(format!("{name}={value} is not followed: {what}"));
            }
        }
        for name in FILES.into_iter().filter(|name| of.text(name).is_some()) {
            self.not_followed.push(format!("{name} is not followed: no file of OpenTelemetry's is read"));
        }
    }
}

fn room(of: &Variables<'_>, name: &str) -> Result<Option<usize>, ConfigError> {
    number(of, name, RecordLimits::ROOM)
}

/// A number that may be zero.
fn number(of: &Variables<'_>, name: &str, most: usize) -> Result<Option<usize>, ConfigError> {
    let parse = |value: String| {
        let number = value.parse().ok().filter(|number| *number <= most);
        let problem = match most {
            usize::MAX => "write a whole number".to_owned(),
            most => format!("write a whole number up to {most}: there is no room for more"),
        };
        number.ok_or_else(|| ConfigError::setting(name, value, problem))
    };
    of.text(name).map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use crate::{ConfigError, RecordLimits, TelemetryConfig};

    fn with(variables: &[(&str, &str)]) -> Result<TelemetryConfig, ConfigError> {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        TelemetryConfig::new("code").with_variables(&lookup)
    }

    #[test]
    fn limits_of_one_kind_count_more_than_those_of_all() {
        let config = with(&[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "64"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1000"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "32"),
            ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "3"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
        ]);
        let config = config.unwrap();
        let spans = RecordLimits {
            attributes: 32,
            attribute_value_length: 1_000,
            events: 3,
            attributes_per_event: 4,
            links: 0,
        };
        assert_eq!(config.span_limits, spans);
        assert_eq!((config.log_limits.attributes, config.log_limits.attribute_value_length), (64, 10));
        let error = with(&[("OTEL_SPAN_EVENT_COUNT_LIMIT", "500")]).unwrap_err().to_string();
        assert!(error.ends_with("write a whole number up to 128: there is no room for more"), "{error}");
        let error = with(&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1")]).unwrap_err().to_string();
        assert!(error.ends_with("\"-1\" is not valid: write a whole number"), "{error}");
    }

    #[test]
    fn what_is_not_followed_is_told() {
        let fixed = with(&[("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based"), ("OTEL_CONFIG_FILE", "")]);
        assert_eq!(fixed.unwrap().not_followed, Vec::<String>::new());
        let config = with(&[("OTEL_METRICS_EXEMPLAR_FILTER", "always_on"), ("OTEL_CONFIG_FILE", "otel.yaml")]);
        let expected = [
            "OTEL_METRICS_EXEMPLAR_FILTER=always_on is not followed: exemplars are of sampled spans (trace_based)",
            "OTEL_CONFIG_FILE is not followed: no file of OpenTelemetry's is read",
        ];
        assert_eq!(config.unwrap().not_followed, expected);
    }

    #[test]
    fn an_address_without_scheme_is_encrypted_or_not_as_the_variable_says() {
        for (insecure, expected) in [("true", "http://collector:4317"), ("false", "https://collector:4317")] {
            let config = with(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
                ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
                ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
                ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "1500"),
            ]);
            let config = config.unwrap();
            assert_eq!(config.logs.otlp_endpoint.as_deref(), Some(expected));
            let targets = config.export_settings().unwrap().exporters.targets;
            assert_eq!(targets.last().unwrap().timeout.as_millis(), 1_500, "{targets:?}");
        }
    }
}
