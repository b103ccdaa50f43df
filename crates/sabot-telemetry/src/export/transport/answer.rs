//! Answers of receivers: what they took, what they refused, and when to come again.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::http::chain;
use super::{Accepted, SendError};
use crate::clock::http_date;
use crate::config::Signal;

/// Longest text of a receiver that is kept for a message.
const MAX_TEXT: usize = 300;

/// Reads `Export…ServiceResponse` as protocol buffer. What cannot be read says nothing is wrong.
pub(super) fn partial_success(signal: Signal, body: &[u8]) -> Accepted {
    let read = |rejected: i64, message: String| Accepted { rejected: u64::try_from(rejected).unwrap_or(0), message };
    let answer = match signal {
        Signal::Traces => ExportTraceServiceResponse::decode(body)
            .ok()
            .and_then(|answer| answer.partial_success)
            .map(|partial| read(partial.rejected_spans, partial.error_message)),
        Signal::Metrics => ExportMetricsServiceResponse::decode(body)
            .ok()
            .and_then(|answer| answer.partial_success)
            .map(|partial| read(partial.rejected_data_points, partial.error_message)),
        Signal::Logs => ExportLogsServiceResponse::decode(body)
            .ok()
            .and_then(|answer| answer.partial_success)
            .map(|partial| read(partial.rejected_log_records, partial.error_message)),
    };
    answer.unwrap_or_default()
}

/// The same as JSON, where numbers may stand as text.
pub(super) fn partial_success_json(body: &[u8]) -> Accepted {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = answer.get("partialSuccess");
    let number = |value: &serde_json::Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let rejected = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"];
    let rejected = rejected.into_iter().find_map(|key| number(partial?.get(key)?)).unwrap_or(0);
    let message = partial.and_then(|partial| partial.get("errorMessage")?.as_str()).unwrap_or_default().to_owned();
    Accepted { rejected, message }
}

/// What an answer over HTTP that is not a success means, by the rules of OTLP.
pub(super) fn http_error(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Duration) -> SendError {
    let problem = format!("it answered {status}{}", said(body));
    match status.as_u16() {
        429 | 502 | 503 | 504 => SendError::Later { problem, after: retry_after(headers, now) },
        400 | 413 | 422 => SendError::Refused { problem },
        _ => SendError::Misdirected { problem },
    }
}

/// What a receiver says, as the end of a sentence.
pub(super) fn said(text: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

/// `Retry-After`: seconds, or an instant.
/// `now` is since the Unix epoch.
fn retry_after(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(value)?.saturating_sub(now))
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The pause a gRPC status asks for, in its details.
pub(super) fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let detail = status.details.iter().find(|detail| detail.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    Some(Duration::new(u64::try_from(delay.seconds).unwrap_or(0), u32::try_from(delay.nanos).unwrap_or(0)))
}

/// What a gRPC status means, by the rules of OTLP.
pub(super) fn grpc_error(status: &tonic::Status) -> SendError {
    use tonic::Code;
    let problem = format!("it answered {:?}{}", status.code(), said(status.message().as_bytes()));
    let after = retry_info(status.details());
    // The connection broke, or the answer did: nobody said anything about the batch.
    if let Some(source) = std::error::Error::source(status) {
        return SendError::later(chain(source));
    }
    if status.message().contains("missing grpc-status") {
        return SendError::Later { problem, after };
    }
    if status.message().contains("message length too large") {
        return SendError::Refused { problem };
    }
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => SendError::Later { problem, after },
        Code::ResourceExhausted if after.is_some() => SendError::Later { problem, after },
        Code::InvalidArgument => SendError::Refused { problem },
        _ => SendError::Misdirected { problem },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use prost::Message;

    use super::{Delay, Detail, RetryInfo, RpcStatus, grpc_error, http_error, partial_success, partial_success_json};
    use crate::clock::http_date;
    use crate::config::Signal;
    use crate::export::transport::{Accepted, SendError};

    fn error(status: u16, retry_after: Option<&'static str>) -> SendError {
        let values = retry_after.map(|value| (header::RETRY_AFTER, HeaderValue::from_static(value)));
        let headers: HeaderMap = values.into_iter().collect();
        let now = http_date("Sun, 06 Nov 1994 08:49:00 GMT").expect("a date");
        http_error(StatusCode::from_u16(status).expect("a status"), &headers, b"busy\n", now)
    }

    #[test]
    fn only_the_statuses_of_the_specification_are_tried_again() {
        for status in [429, 502, 503, 504] {
            assert!(matches!(error(status, None), SendError::Later { after: None, .. }), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(error(status, None), SendError::Refused { .. }), "{status}");
        }
        for status in [401, 403, 404, 405, 408, 500, 501] {
            assert!(matches!(error(status, None), SendError::Misdirected { .. }), "{status}");
        }
        let later = |seconds| SendError::Later {
            problem: "it answered 503 Service Unavailable: busy".to_owned(),
            after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(error(503, Some("7")), later(7));
        assert_eq!(error(503, Some("Sun, 06 Nov 1994 08:49:37 GMT")), later(37));
        assert_eq!(error(503, Some("Sun, 06 Nov 1994 08:48:37 GMT")), later(0));
    }

    #[test]
    fn an_exhausted_receiver_is_asked_again_only_when_it_says_when() {
        let exhausted = tonic::Status::new(tonic::Code::ResourceExhausted, "full");
        assert!(matches!(grpc_error(&exhausted), SendError::Misdirected { .. }));
        let delay = Some(Delay { seconds: 2, nanos: 500_000_000 });
        let value = RetryInfo { retry_delay: delay }.encode_to_vec();
        let detail = Detail { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value };
        let details = RpcStatus { details: vec![detail] }.encode_to_vec();
        let exhausted = tonic::Status::with_details(tonic::Code::ResourceExhausted, "full", details.into());
        let after = Some(Duration::from_millis(2_500));
        assert_eq!(
            grpc_error(&exhausted),
            SendError::Later { problem: "it answered ResourceExhausted: full".to_owned(), after }
        );
        let invalid = tonic::Status::new(tonic::Code::InvalidArgument, "");
        assert!(matches!(grpc_error(&invalid), SendError::Refused { .. }));
    }

    #[test]
    fn partial_success_is_read_in_both_forms() {
        let expected = Accepted { rejected: 3, message: "too old".to_owned() };
        // partial_success { rejected_spans: 3, error_message: "too old" }
        let body = [&[0x0a, 11, 0x08, 3, 0x12, 7][..], b"too old"].concat();
        for signal in Signal::ALL {
            assert_eq!(partial_success(signal, &body), expected);
        }
        assert_eq!(
            partial_success_json(br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#),
            expected
        );
        assert_eq!(
            partial_success_json(br#"{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"too old"}}"#),
            expected
        );
        for nothing in [&b""[..], b"{}", b"<html>"] {
            assert_eq!(partial_success_json(nothing), Accepted::default());
            assert_eq!(partial_success(Signal::Logs, nothing).rejected, 0);
        }
    }
}
