//! Endpoints become targets; mistakes become errors.

use super::{ExportPolicy, ExportersConfig, OtlpProtocol, Signal, TargetKind, TelemetryConfig};

fn error(config: &TelemetryConfig) -> String {
    config.check().expect_err("a mistake").to_string()
}

#[test]
fn nothing_is_sent_unless_asked_for() {
    let settings = TelemetryConfig::new("shop").export_settings().expect("settings");
    assert!(settings.exporters.targets.is_empty());
}

#[test]
fn endpoints_that_are_given_together_are_separate_targets() {
    let mut config = TelemetryConfig::new("shop").with_otlp_endpoint("http://c:4317").with_header("x-key", "1");
    config.jaeger_endpoint = Some("http://j:14268/api/traces".to_owned());
    config.zipkin_endpoint = Some("http://z:9411".to_owned());
    let exporters = config.export_settings().expect("settings").exporters;
    assert_eq!(exporters.policy, ExportPolicy::Fanout);
    let names: Vec<_> = exporters.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["otlp", "jaeger", "zipkin"]);
    assert_eq!(exporters.targets[0].signals, Signal::ALL);
    let jaeger = TargetKind::Otlp { endpoint: "http://j:4317".to_owned(), protocol: OtlpProtocol::Grpc };
    assert_eq!((&exporters.targets[1].kind, &exporters.targets[1].signals[..]), (&jaeger, &[Signal::Traces][..]));
    let exporters: ExportersConfig =
        serde_json::from_str(r#"{"targets": [{"name": "only", "type": "console"}]}"#).expect("a configuration");
    let settings = config.with_exporters(exporters).export_settings().expect("settings");
    assert_eq!(
        (settings.exporters.targets.len(), settings.exporters.policy),
        (1, ExportPolicy::Failover),
        "they replace all others"
    );
}

#[test]
fn mistakes_say_what_to_write() {
    let config = || TelemetryConfig::new("shop");
    for rate in [1.5, -0.1, f64::NAN] {
        let text = error(&config().with_sample_rate(rate));
        assert!(text.contains("is not a ratio; write a number from 0 (nothing) to 1 (everything)"), "{text}");
    }
    assert!(error(&TelemetryConfig::new("")).starts_with("service_name"));
    assert!(error(&config().with_otlp_endpoint("collector:4317")).contains("write http://collector:4317"));
    let mixed = config().with_otlp_endpoint("http://c:4317").with_otlp_protocol(OtlpProtocol::HttpJson);
    assert!(error(&mixed).contains("port 4317 is that of OTLP over gRPC"));
    let split = config().with_otlp_endpoint("http://c:4317").with_header("x-key", "a\nb");
    assert_eq!(error(&split), "header \"x-key\": its value holds a line break: write it on one line");
}

#[test]
fn files_are_read_strictly() {
    let read = |json: &str| serde_json::from_str::<ExportersConfig>(json).map_err(|error| error.to_string());
    let config = read(
        r#"{"policy": "failover", "switch_after": "500ms", "queue": {"dir": "q"}, "targets": [
            {"name": "a", "type": "otlp", "endpoint": "http://c:4318", "protocol": "http/json", "headers": {"x": "1"}, "timeout": "2s"},
            {"name": "b", "type": "file", "path": "spans.jsonl", "signals": ["traces"]}]}"#,
    )
    .expect("a configuration");
    assert_eq!((config.targets.len(), config.targets[0].timeout.as_secs()), (2, 2));
    for (json, expected) in [
        (r#"{"polcy": "fanout"}"#, "unknown field `polcy`"),
        (r#"{"policy": "both"}"#, "unknown variant `both`, expected `failover` or `fanout`"),
        (r#"{"targets": [{"name": "a", "type": "otlp", "endpiont": "http://c"}]}"#, "unknown field `endpiont`"),
        (
            r#"{"targets": [{"name": "a", "type": "otlp"}]}"#,
            "exporters.targets.a.endpoint: \"\" is not valid: write one such as",
        ),
        (r#"{"targets": [{"name": "a", "type": "console", "endpoint": "x"}]}"#, "this type of target does not have it"),
        (r#"{"targets": [{"name": "a", "type": "jaeger"}]}"#, "unknown variant `jaeger`, expected one of `otlp`"),
        (
            r#"{"targets": [{"name": "a", "type": "otlp", "endpoint": "http://c:4317", "timeout": "soon"}]}"#,
            "\"soon\" is not a time",
        ),
        (
            r#"{"targets": [{"name": "a", "type": "zipkin", "endpoint": "http://z:9411", "signals": ["logs"]}]}"#,
            "name one that the target takes",
        ),
    ] {
        let error = read(json).expect_err(json);
        assert!(error.contains(expected), "{json}: {error}");
    }
    let twice = read(r#"{"targets": [{"name": "a", "type": "console"}, {"name": "a", "type": "console"}]}"#);
    let error = twice.expect("a configuration").check().expect_err("two of a name").to_string();
    assert!(error.contains("two targets have this name"), "{error}");
}
