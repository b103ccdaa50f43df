//! Context in the headers of Kafka records, whichever client carries them.
//!
//! A record's headers are a list of names and bytes in which a name may come twice; the last one counts, as in Kafka's
//! own clients. Invariant: what is there and not about context stays as it is.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector};

use crate::propagation::{extract_from_headers, inject_into_headers};

/// Keys of attributes of spans and metrics about messages, by OpenTelemetry's semantic conventions.
///
/// A producer's span is named `send {topic}`, a consumer's `process {topic}`.
pub mod messaging_attributes {
    /// Which system carries the message: [`KAFKA`].
    pub const SYSTEM: &str = "messaging.system";
    /// The value of [`SYSTEM`] for Kafka.
    pub const KAFKA: &str = "kafka";
    /// The topic.
    pub const DESTINATION_NAME: &str = "messaging.destination.name";
    /// The partition, as text.
    pub const DESTINATION_PARTITION_ID: &str = "messaging.destination.partition.id";
    /// What is done, in the system's words: `send`, `poll`, `commit`.
    pub const OPERATION_NAME: &str = "messaging.operation.name";
    /// What kind of operation it is: `send`, `receive`, `process`, `settle`.
    pub const OPERATION_TYPE: &str = "messaging.operation.type";
    /// The group that consumes.
    pub const CONSUMER_GROUP_NAME: &str = "messaging.consumer.group.name";
    /// The client.
    pub const CLIENT_ID: &str = "messaging.client.id";
    /// How many messages are in a batch.
    pub const BATCH_MESSAGE_COUNT: &str = "messaging.batch.message_count";
    /// Bytes of a message's body.
    pub const MESSAGE_BODY_SIZE: &str = "messaging.message.body.size";
    /// The key of a record.
    pub const KAFKA_MESSAGE_KEY: &str = "messaging.kafka.message.key";
    /// The offset of a record.
    pub const KAFKA_OFFSET: &str = "messaging.kafka.offset";
    /// Whether a record deletes its key.
    pub const KAFKA_MESSAGE_TOMBSTONE: &str = "messaging.kafka.message.tombstone";
}

/// Writes the current trace, baggage and correlation id into the headers of a record, in place of earlier ones.
///
/// ```
/// use sabot_telemetry::{extract_from_kafka_headers, get_baggage, inject_into_kafka_headers, with_baggage};
///
/// let mut headers = vec![("schema".to_owned(), b"order-v2".to_vec())];
/// let attached = with_baggage([("tenant.id", "acme")]).attach();
/// inject_into_kafka_headers(&mut headers); // before the record is sent
/// drop(attached);
///
/// let received = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
/// let _attached = extract_from_kafka_headers(received).attach(); // while the record is processed
/// assert_eq!(get_baggage("tenant.id").as_deref(), Some("acme"));
/// ```
pub fn inject_into_kafka_headers(headers: &mut Vec<(String, Vec<u8>)>) {
    inject_into_headers(&mut Written(headers));
}

/// The current context with what the headers of a record say. For a batch, start one span and
/// [link](crate::SpanBuilder::with_link) the records' traces.
pub fn extract_from_kafka_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Context {
    let read = headers.into_iter().filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)));
    extract_from_headers(&Read(read.collect()))
}

struct Written<'a>(&'a mut Vec<(String, Vec<u8>)>);

impl Injector for Written<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
        self.0.push((key.to_owned(), value.into_bytes()));
    }
}

struct Read<'a>(Vec<(&'a str, &'a str)>);

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }

    /// Only the last: a record that was sent on by a client that adds headers has those of both hops.
    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        self.get(key).map(|value| vec![value])
    }
}

#[cfg(test)]
mod tests;
