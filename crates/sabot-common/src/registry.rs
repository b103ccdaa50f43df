//! Every metric and span name Sabot emits: the only place they are written.
//!
//! `docs/metrics.md` is generated from here by a test (`UPDATE_EXPECT=1 cargo test` writes it anew), and another one on a
//! live server checks that each metric moves.

/// What a metric measures over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// The unit of a metric; base units only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count of things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Between 0 and 1.
    Ratio,
}

/// One metric's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Prometheus name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// Base unit.
    pub unit: Unit,
    /// The part of Sabot it belongs to: stream, join, state, agent, telemetry or process.
    pub component: &'static str,
    /// Label names in order.
    pub labels: &'static [&'static str],
    /// One line for people.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($ident:ident = $name:literal $kind:ident $unit:ident $component:literal [$($label:literal),*] $help:literal;)*) => {
        $(#[doc = $help] pub const $ident: Metric = Metric {
            name: $name, kind: MetricKind::$kind, unit: Unit::$unit, component: $component, labels: &[$($label),*], help: $help,
        };)*
        /// All of them, in the order of the docs.
        pub const ALL_METRICS: &[Metric] = &[$($ident),*];
    };
}

metrics! {
    MESSAGES_PROCESSED = "sabot_messages_processed_total" Counter Count "stream" ["stream", "agent"] "Events an agent has read and committed.";
    MESSAGE_PROCESSING_DURATION = "sabot_message_processing_duration_seconds" Histogram Seconds "stream" ["stream", "agent"] "Time to process one batch.";
    EVENTS_DROPPED = "sabot_events_dropped_total" Counter Count "stream" ["stream", "agent", "reason"] "Events left out: late, malformed, or retired before they were read.";
    WINDOW_TRIGGERS = "sabot_window_triggers_total" Counter Count "stream" ["agent", "window_type"] "Windows fired.";
    AGGREGATION_DURATION = "sabot_aggregation_duration_seconds" Histogram Seconds "stream" ["agent"] "Time to aggregate one batch.";
    WATERMARK_LAG = "sabot_watermark_lag_seconds" Gauge Seconds "stream" ["stream", "agent"] "How far the watermark is behind the newest event seen, in event time.";
    LATE_EVENTS = "sabot_late_events_total" Counter Count "stream" ["agent"] "Events behind their partition's watermark.";
    BATCH_SIZE = "sabot_batch_size_rows" Histogram Count "stream" ["agent"] "Rows per processed batch.";
    BACKPRESSURE = "sabot_backpressure_seconds_total" Counter Seconds "stream" ["stage"] "Time a stage waited for room downstream.";
    CONSUMER_LAG = "sabot_consumer_lag_events" Gauge Count "stream" ["stream", "agent"] "Committed events an agent has not read yet.";
    COMMIT_DURATION = "sabot_commit_duration_seconds" Histogram Seconds "stream" [] "Time of one commit group: sync of data, then of the journal.";
    END_TO_END_LATENCY = "sabot_end_to_end_latency_seconds" Histogram Seconds "stream" ["stream", "agent"] "From an event's arrival to its committed output.";
    ERRORS = "sabot_errors_total" Counter Count "stream" ["component", "error_type"] "Errors by part and kind.";
    JOIN_OPERATIONS = "sabot_join_operations_total" Counter Count "join" ["join_type"] "Batches joined.";
    JOIN_DURATION = "sabot_join_duration_seconds" Histogram Seconds "join" ["join_type"] "Time to join one batch.";
    JOIN_STATE_BYTES = "sabot_join_state_bytes" Gauge Bytes "join" ["join_type"] "Memory held by join indexes.";
    JOIN_KEY_SKEW = "sabot_join_key_skew_ratio" Gauge Count "join" ["agent"] "Rows of the most frequent key over the mean of all keys that matched, in one batch a second; 1 is even.";
    STATE_OPERATIONS = "sabot_state_operations_total" Counter Count "state" ["operation", "backend"] "Table operations: get, put, scan.";
    STATE_OPERATION_DURATION = "sabot_state_operation_duration_seconds" Histogram Seconds "state" ["operation", "backend"] "Time of one batch of table operations.";
    STATE_CACHE_HITS = "sabot_state_cache_hits_total" Counter Count "state" ["table"] "Lookups answered from memory.";
    STATE_CACHE_MISSES = "sabot_state_cache_misses_total" Counter Count "state" ["table"] "Lookups that went to the store.";
    STATE_SIZE = "sabot_state_size_bytes" Gauge Bytes "state" ["table", "backend"] "Size of a table's rows.";
    BATCHES_COMPLETED = "sabot_agent_tasks_completed_total" Counter Count "agent" ["agent", "outcome"] "Batches of a stream agent: `completed` when they are committed, `failed` when they ended it.";
    AGENTS_ACTIVE = "sabot_agents_active" Gauge Count "agent" ["kind", "status"] "Agents by status.";
    SPANS_RECEIVED = "sabot_spans_received_total" Counter Count "telemetry" ["protocol"] "Spans that arrived at the store.";
    SPANS_REFUSED = "sabot_spans_refused_total" Counter Count "telemetry" ["protocol"] "Spans dropped because the queue was full.";
    TRACES_SAMPLED = "sabot_traces_sampled_total" Counter Count "telemetry" ["decision", "reason"] "Decisions whether to record a batch and what hangs below it: `keep`, or `drop` by `rate_limit` because there are too many.";
    SPANS_STORED = "sabot_spans_stored_total" Counter Count "telemetry" [] "Spans written to blocks.";
    EXPORT_ACCEPTED = "sabot_export_accepted_total" Counter Count "telemetry" ["exporter"] "Spans, metric points and log records to be sent, those found on disk at the start included.";
    EXPORT_SENT = "sabot_export_sent_total" Counter Count "telemetry" ["exporter"] "Spans, metric points and log records taken.";
    EXPORT_DROPPED = "sabot_export_dropped_total" Counter Count "telemetry" ["exporter", "reason"] "Spans, metric points and log records given up: `queue_full`, `rejected`, `shutdown` or `damaged`.";
    EXPORT_QUEUE = "sabot_export_queue_spans" Gauge Count "telemetry" ["exporter"] "Spans, metric points and log records that wait.";
    EXPORT_ATTEMPTS = "sabot_export_attempts_total" Counter Count "telemetry" ["exporter"] "Requests made.";
    EXPORT_FAILURES = "sabot_export_failures_total" Counter Count "telemetry" ["exporter"] "Requests that did not succeed.";
    EXPORTER_CIRCUIT = "sabot_exporter_circuit_state" Gauge Count "telemetry" ["exporter"] "0 while it works, 2 while it is left alone after a failure, 1 when it is about to be tried again.";
    MEMORY_USAGE = "sabot_memory_usage_bytes" Gauge Bytes "process" [] "Resident memory of the process.";
    CPU_USAGE = "sabot_cpu_usage_ratio" Gauge Ratio "process" [] "Share of all cores used since the last reading.";
    DISK_USAGE = "sabot_disk_usage_bytes" Gauge Bytes "process" ["kind"] "Disk used by streams, journal, snapshots, tables and telemetry.";
    COMPONENT_HEALTH = "sabot_component_health" Gauge Count "process" ["component"] "1 when a part is healthy, 0 when it is not.";
}

macro_rules! span_names {
    ($($ident:ident = $name:literal $help:literal;)*) => {
        $(#[doc = $help] pub const $ident: &str = $name;)*
        /// All of them.
        pub const ALL: &[&str] = &[$($ident),*];
    };
}

/// Span names.
pub mod spans {
    span_names! {
        PROCESS_BATCH = "process_batch" "One batch through an agent, whose name follows; children are its operators.";
        WINDOW_FIRE = "window_fire" "A window closing and its results leaving.";
        AGGREGATE = "aggregate" "Rows added to windows.";
        FILTER_PROJECT = "filter_project" "Rows filtered and projected.";
        JOIN_INNER = "join inner" "Rows that have a match in a table, enriched from it.";
        JOIN_LEFT = "join left" "All rows, enriched from a table where there is a match.";
        SINK = "sink" "Rows appended to an output.";
        COMMIT = "commit" "One agent's epoch made durable.";
        STATE_GET = "state_get" "Reads of a table, together per batch.";
        STATE_SET = "state_set" "Writes of a table, together per batch.";
        REGISTER_AGENT = "register_agent" "An agent becoming known.";
        AGENT_START = "agent_start" "An agent starting.";
        AGENT_STOP = "agent_stop" "An agent stopping.";
    }

    /// Event of a batch with rows behind their partition's watermark.
    pub const LATE_EVENT: &str = "window_late_event";
}

/// Span attribute keys of our own; the others are semantic conventions.
pub mod attributes {
    /// Agent name.
    pub const AGENT: &str = "sabot.agent";
    /// Stream name.
    pub const STREAM: &str = "sabot.stream";
    /// Partition number.
    pub const PARTITION: &str = "sabot.partition";
    /// Table name.
    pub const TABLE: &str = "sabot.table";
    /// The part of Sabot: stream-processor, join-engine, state-store, agent-manager.
    pub const COMPONENT: &str = "sabot.component";
    /// Rows in.
    pub const ROWS: &str = "sabot.rows";
    /// Rows out.
    pub const ROWS_OUT: &str = "sabot.rows_out";
    /// Bytes.
    pub const BYTES: &str = "sabot.bytes";
    /// Watermark after the batch.
    pub const WATERMARK: &str = "sabot.watermark";
    /// Epoch number.
    pub const EPOCH: &str = "sabot.epoch";
    /// Start of a window.
    pub const WINDOW_START: &str = "sabot.window_start";
    /// Late rows in a batch.
    pub const LATE_ROWS: &str = "sabot.late_rows";
}

#[cfg(test)]
mod tests;
