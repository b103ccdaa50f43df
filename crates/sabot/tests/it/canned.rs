//! Answers of the API, as docs/api.md describes them.

use serde_json::{Value, json};

pub(crate) const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

pub(crate) fn status() -> Value {
    json!({
        "status": "running", "version": "0.1.0", "project": "flights", "started_at": "2026-01-02T03:04:05Z",
        "uptime_seconds": 7265.0, "finished": false, "source_events_total": 336_776, "events_total": 985_777, "events_per_second": 80_123.4,
        "late_total": 12, "errors_total": 3, "lag_events": 1_024, "memory_bytes": 104_857_600, "cpu_ratio": 0.425,
        "components": [
            {"name": "streams", "status": "ok", "message": "2 streams"},
            {"name": "agents", "status": "degraded", "message": "1 of 2 agents failed"},
        ],
    })
}

pub(crate) fn streams() -> Value {
    json!([
        {
            "name": "flights", "partitions": 4, "backend": "embedded", "events_total": 336_776, "bytes": 41_943_040,
            "earliest": 0, "latest": 336_776, "events_per_second": 80_123.4, "writer": "source",
        },
        {
            "name": "delays", "partitions": 1, "backend": "embedded", "events_total": 9_123, "bytes": 524_288,
            "earliest": 0, "latest": 9_123, "events_per_second": 0.0, "writer": "hourly-delays",
        },
    ])
}

pub(crate) fn stream() -> Value {
    let mut stream = streams()[0].take();
    stream["schema"] = json!([
        {"name": "time_hour", "type": "timestamp", "nullable": false},
        {"name": "dep_delay", "type": "double", "nullable": true},
    ]);
    stream["event_time"] = json!("time_hour");
    stream["finished"] = json!(true);
    stream["readers"] = json!([{"agent": "hourly-delays", "lag_events": 1_024}]);
    stream["partition_details"] = json!([
        {"partition": 0, "earliest": 0, "latest": 168_000, "bytes": 20_971_520},
        {"partition": 1, "earliest": 0, "latest": 168_776, "bytes": 20_971_520},
    ]);
    stream
}

pub(crate) fn stream_rows() -> Value {
    json!({"stream": "flights", "rows": [
        {"_partition": 0, "_offset": 7, "carrier": "UA", "dep_delay": 2.0, "note": null},
        {"_partition": 1, "_offset": 12, "carrier": "B6", "dep_delay": -11.5, "note": "a\nb"},
    ]})
}

pub(crate) fn tables() -> Value {
    json!([
        {"name": "planes", "backend": "embedded", "key": ["tailnum"], "rows": 3_322, "bytes": 262_144, "writer": "source"},
        {"name": "totals", "backend": "memory", "key": ["origin", "carrier"], "rows": 35, "bytes": 4_096, "writer": "totals"},
    ])
}

pub(crate) fn plane() -> Value {
    json!({"tailnum": "N14228", "year": 1999, "manufacturer": "BOEING", "speed": null})
}

pub(crate) fn agents() -> Value {
    json!([
        {
            "name": "hourly-delays", "kind": "stream", "status": "running", "version": 2, "count": 2, "input": ["flights"],
            "output": "delays", "events_total": 336_776, "events_per_second": 80_123.4, "lag_seconds": 0.25,
            "errors_total": 0, "late_total": 12, "watermark": "2013-01-02T05:00:00Z", "lag_events": 1_024, "error": null,
        },
        {
            "name": "triage", "kind": "stream", "status": "failed", "version": 1, "count": 1, "input": ["delays"],
            "output": "console", "events_total": 0, "events_per_second": 0.0, "lag_seconds": null,
            "errors_total": 3, "late_total": 0, "watermark": null, "lag_events": 9_123, "error": "disk full",
        },
    ])
}

pub(crate) fn agent() -> Value {
    let mut agent = agents()[0].take();
    agent["sql"] = json!("SELECT origin, count(*) AS flights\nFROM TUMBLE(flights, time_hour, INTERVAL '1 hour')\n");
    agent["plan"] = json!("Window tumble 1h\n  Scan flights");
    agent["config"] = json!({"name": "hourly-delays", "kind": "stream"});
    agent["epoch"] = json!(42);
    agent["inputs"] =
        json!([{"stream": "flights", "partition": 0, "offset": 168_000, "watermark": "2013-01-02T05:00:00Z"}]);
    agent["outputs"] = json!([{"stream": "delays", "partition": 0, "offset": 9_123}]);
    agent["operators"] = json!([{"name": "aggregate", "rows_in": 336_776, "rows_out": 9_123, "busy_seconds": 0.084}]);
    agent
}

pub(crate) fn sql() -> Value {
    json!({
        "columns": [{"name": "origin", "type": "Utf8"}, {"name": "flights", "type": "Int64"}, {"name": "mean", "type": "Float64"}],
        "rows": [
            {"origin": "EWR", "flights": 120_835, "mean": 15.1},
            {"origin": "JFK", "flights": 111_279, "mean": null},
        ],
        "truncated": false, "elapsed_ms": 12.4,
    })
}

pub(crate) fn traces() -> Value {
    json!({"traces": [
        {
            "trace_id": TRACE_ID, "root_service": "sabot", "root_operation": "process_batch",
            "started_at": "2026-01-02T03:04:05.678Z", "duration_ms": 80.0, "spans": 4, "errors": 1, "keep_reason": "error",
        },
        {
            "trace_id": "00000000000000000000000000000001", "root_service": "sabot", "root_operation": "GET /status",
            "started_at": "2026-01-02T03:04:04Z", "duration_ms": 0.9, "spans": 1, "errors": 0, "keep_reason": "head",
        },
    ]})
}

pub(crate) fn trace() -> Value {
    let span = |id: &str, parent: Option<&str>, name: &str, from_ms: u64, to_ms: u64, status: &str, message: &str| {
        json!({
            "span_id": id, "parent_span_id": parent, "service": "sabot", "name": name, "kind": "internal",
            "start_unix_nano": 1_700_000_000_000_000_000_u64 + from_ms * 1_000_000,
            "end_unix_nano": 1_700_000_000_000_000_000_u64 + to_ms * 1_000_000,
            "status": status, "status_message": message, "attributes": {"sabot.agent": "hourly-delays"},
            "events": [], "links": [],
        })
    };
    json!({"trace_id": TRACE_ID, "spans": [
        span("a1", None, "process_batch", 0, 80, "unset", ""),
        span("a2", Some("a1"), "aggregate", 1, 41, "ok", ""),
        span("a3", Some("a2"), "state_get", 20, 22, "ok", ""),
        span("a4", Some("a1"), "commit", 60, 80, "error", "disk full"),
    ]})
}

pub(crate) fn telemetry_status() -> Value {
    json!({
        "enabled": true, "service_name": "flights", "service_version": "0.1.0", "sample_rate": 0.5,
        "max_spans_per_second": 2_000, "spans_recorded": 12_345, "spans_dropped": 0, "batches_recorded": 4_000,
        "batches_left_out": 17, "spans_disk_bytes": 524_288,
        "exporters": [
            {"name": "primary", "queue": "failover", "signal": "traces", "circuit": "open", "sent": 0, "attempts": 6, "failures": 6,
             "last_problem": "no answer within 750 ms"},
            {"name": "backup", "queue": "failover", "signal": "traces", "circuit": "closed", "sent": 12_000, "attempts": 24, "failures": 0,
             "last_problem": null},
        ],
        "queues": [
            {"name": "failover", "signal": "traces", "accepted": 12_345, "recovered": 0, "sent": 12_000, "queued": 300, "dropped": 45,
             "dropped_by_reason": {"queue_full": 45}},
        ],
    })
}

pub(crate) fn metrics() -> Value {
    json!({"timestamp": "2026-01-02T03:04:05Z", "metrics": [
        {
            "name": "sabot_messages_processed_total", "component": "stream", "type": "counter", "unit": "count",
            "labels": {"stream": "flights", "agent": "hourly-delays"}, "value": 336_776.0, "rate": 80_123.4,
            "p50": null, "p95": null, "p99": null,
        },
        {
            "name": "sabot_message_processing_duration_seconds", "component": "stream", "type": "histogram",
            "unit": "seconds", "labels": {"stream": "delays", "agent": "triage"}, "value": 42.0, "rate": 10.5,
            "p50": 0.0012, "p95": 0.0051, "p99": 0.02,
        },
        {
            "name": "sabot_memory_usage_bytes", "component": "process", "type": "gauge", "unit": "bytes", "labels": {},
            "value": 104_857_600.0, "rate": null, "p50": null, "p95": null, "p99": null,
        },
    ]})
}
