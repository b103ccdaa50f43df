//! The names of metrics and attributes that a stream processor records, so that they are written in one place.
//!
//! Values are in OpenTelemetry's style; Prometheus names follow by the standard translation.

/// Names of metrics, for [`MetricsRecorder`](crate::MetricsRecorder) and OpenTelemetry's API.
pub mod metric_names {
    /// Events that came in.
    pub const EVENTS_RECEIVED: &str = "processor.events.received";
    /// Events that were processed.
    pub const EVENTS_PROCESSED: &str = "processor.events.processed";
    /// Events that were dropped.
    pub const EVENTS_DROPPED: &str = "processor.events.dropped";
    /// Time to process one event or batch, in seconds.
    pub const PROCESSING_DURATION: &str = "processor.processing.duration";
    /// Time from the arrival of an event to its result, in seconds.
    pub const PIPELINE_LAG: &str = "processor.pipeline.lag";
    /// Errors of the pipeline.
    pub const PIPELINE_ERRORS: &str = "processor.pipeline.errors";
    /// Operators at work.
    pub const OPERATORS_ACTIVE: &str = "processor.pipeline.operators.active";
    /// Time spent in one operator, in seconds.
    pub const OPERATOR_DURATION: &str = "processor.operator.duration";
    /// Times a producer had to wait.
    pub const BACKPRESSURE_EVENTS: &str = "processor.backpressure.events";

    /// Windows that were opened.
    pub const WINDOWS_CREATED: &str = "processor.windows.created";
    /// Windows that fired.
    pub const WINDOW_TRIGGERS: &str = "processor.window.triggers";
    /// Windows that are open.
    pub const WINDOWS_ACTIVE: &str = "processor.windows.active";
    /// Events in a window that fired.
    pub const WINDOW_SIZE: &str = "processor.window.size";
    /// Events that came after their window.
    pub const LATE_EVENTS: &str = "processor.events.late";
    /// Events that came out of order.
    pub const OUT_OF_ORDER_EVENTS: &str = "processor.events.out_of_order";

    /// Aggregations that were computed.
    pub const AGGREGATIONS_COMPUTED: &str = "processor.aggregation.count";
    /// Time to compute one, in seconds.
    pub const AGGREGATION_DURATION: &str = "processor.aggregation.duration";
    /// Those that failed.
    pub const AGGREGATION_ERRORS: &str = "processor.aggregation.errors";

    /// Operations on state.
    pub const STATE_OPERATIONS: &str = "processor.state.operations";
    /// Time of one, in seconds.
    pub const STATE_OPERATION_DURATION: &str = "processor.state.operation.duration";
    /// Reads of state that a cache answered.
    pub const STATE_CACHE_HITS: &str = "processor.state.cache.hits";
    /// Reads of state that no cache answered.
    pub const STATE_CACHE_MISSES: &str = "processor.state.cache.misses";
    /// State that is kept, in bytes.
    pub const STATE_SIZE: &str = "processor.state.size";
    /// Entries of state that had to go.
    pub const STATE_EVICTIONS: &str = "processor.state.evictions";

    /// Events that were checked for having been there before.
    pub const DEDUPLICATION_CHECKED: &str = "processor.deduplication.checked";
    /// Events that had been there before.
    pub const DEDUPLICATION_COUNT: &str = "processor.deduplication.count";
    /// Events that are remembered for that.
    pub const DEDUPLICATION_CACHE_SIZE: &str = "processor.deduplication.cache.size";

    /// How far the watermark is behind now, in seconds.
    pub const WATERMARK_LAG: &str = "processor.watermark.lag";
    /// Times the watermark moved.
    pub const WATERMARK_UPDATES: &str = "processor.watermark.updates";

    /// Messages read from Kafka.
    pub const KAFKA_MESSAGES_CONSUMED: &str = "processor.kafka.messages.consumed";
    /// Messages written to Kafka.
    pub const KAFKA_MESSAGES_PRODUCED: &str = "processor.kafka.messages.produced";
    /// Messages in Kafka that were not read yet.
    pub const KAFKA_CONSUMER_LAG: &str = "processor.kafka.consumer.lag";
    /// Offsets that could not be committed.
    pub const KAFKA_OFFSET_COMMIT_ERRORS: &str = "processor.kafka.offset.commit.errors";

    /// What operations of the business were worth, by tenant and operation.
    pub const BUSINESS_VALUE: &str = "sabot.business.value";

    /// All of them.
    pub const ALL: &[&str] = &[
        EVENTS_RECEIVED,
        EVENTS_PROCESSED,
        EVENTS_DROPPED,
        PROCESSING_DURATION,
        PIPELINE_LAG,
        PIPELINE_ERRORS,
        OPERATORS_ACTIVE,
        OPERATOR_DURATION,
        BACKPRESSURE_EVENTS,
        WINDOWS_CREATED,
        WINDOW_TRIGGERS,
        WINDOWS_ACTIVE,
        WINDOW_SIZE,
        LATE_EVENTS,
        OUT_OF_ORDER_EVENTS,
        AGGREGATIONS_COMPUTED,
        AGGREGATION_DURATION,
        AGGREGATION_ERRORS,
        STATE_OPERATIONS,
        STATE_OPERATION_DURATION,
        STATE_CACHE_HITS,
        STATE_CACHE_MISSES,
        STATE_SIZE,
        STATE_EVICTIONS,
        DEDUPLICATION_CHECKED,
        DEDUPLICATION_COUNT,
        DEDUPLICATION_CACHE_SIZE,
        WATERMARK_LAG,
        WATERMARK_UPDATES,
        KAFKA_MESSAGES_CONSUMED,
        KAFKA_MESSAGES_PRODUCED,
        KAFKA_CONSUMER_LAG,
        KAFKA_OFFSET_COMMIT_ERRORS,
        BUSINESS_VALUE,
    ];
}

/// Keys of attributes, for metrics and spans.
pub mod metric_attributes {
    /// What kind of event it is.
    pub const EVENT_TYPE: &str = "event.type";
    /// What is done.
    pub const OPERATION_TYPE: &str = "operation.type";
    /// Which operator does it.
    pub const OPERATOR_NAME: &str = "operator.name";
    /// The partition that is read or written.
    pub const PARTITION_ID: &str = "partition.id";
    /// The topic that is read or written.
    pub const TOPIC: &str = "topic";
    /// The stream.
    pub const STREAM: &str = "stream";
    /// The agent.
    pub const AGENT: &str = "agent";
    /// How it ended.
    pub const RESULT: &str = "result";
    /// Why it was dropped.
    pub const REASON: &str = "reason";
    /// What went wrong, as a short stable name.
    pub const ERROR_TYPE: &str = "error.type";
    /// Tumbling, sliding, session, count or global.
    pub const WINDOW_TYPE: &str = "window.type";
    /// What made a window fire.
    pub const TRIGGER_TYPE: &str = "trigger.type";
    /// Which aggregation it is.
    pub const AGGREGATION_TYPE: &str = "aggregation.type";
    /// Where state is kept.
    pub const STATE_BACKEND: &str = "state.backend";
    /// Which layer of a cache.
    pub const CACHE_LAYER: &str = "cache.layer";
    /// How missing values are filled.
    pub const FILL_STRATEGY: &str = "fill.strategy";

    /// The user, as a pseudonym.
    pub const USER_ID: &str = "user.id";
    /// The tier of the customer.
    pub const USER_TIER: &str = "user.tier";
    /// The tenant.
    pub const TENANT_ID: &str = "tenant.id";
    /// The request.
    pub const REQUEST_ID: &str = "request.id";
    /// What it is worth.
    pub const BUSINESS_VALUE: &str = "business.value";

    /// All of them.
    pub const ALL: &[&str] = &[
        EVENT_TYPE,
        OPERATION_TYPE,
        OPERATOR_NAME,
        PARTITION_ID,
        TOPIC,
        STREAM,
        AGENT,
        RESULT,
        REASON,
        ERROR_TYPE,
        WINDOW_TYPE,
        TRIGGER_TYPE,
        AGGREGATION_TYPE,
        STATE_BACKEND,
        CACHE_LAYER,
        FILL_STRATEGY,
        USER_ID,
        USER_TIER,
        TENANT_ID,
        REQUEST_ID,
        BUSINESS_VALUE,
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{metric_attributes, metric_names};
    use crate::{MetricsRecorder, Registry};

    #[test]
    fn names_are_dotted_lowercase_and_there_once() {
        let valid = |c: char| c.is_ascii_lowercase() || c == '.' || c == '_';
        for all in [metric_names::ALL, metric_attributes::ALL] {
            assert!(all.iter().all(|name| name.chars().all(valid)), "{all:?}");
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn every_name_can_be_recorded_beside_the_others() {
        let registry = Registry::new();
        let recorder = MetricsRecorder::new(&registry);
        for name in metric_names::ALL {
            recorder.record_counter(name, 1);
        }
        assert_eq!((registry.snapshot().len(), registry.refused()), (metric_names::ALL.len(), 0));
    }
}
