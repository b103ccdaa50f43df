//! The span of one query.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::trace::{Span, Status};
use sqlx::Error;

use super::{Settings, SqlServer, TracedDatabase};
use crate::ambient::{SpanBuilder, current_trace};
use crate::clock::monotonic_nanos;
use crate::instrument::repetition::{N_PLUS_ONE, REPETITIONS};
use crate::instrument::sql::{SqlKind, SqlStatement};
use crate::otel::OtelSpan;
use crate::record::SpanKind;
use crate::text::Text;

/// A recorded query that is running; it ends when it is dropped.
pub(super) struct QuerySpan {
    span: OtelSpan,
    kind: SqlKind,
    slow: Duration,
    start_nanos: u64,
    returned: u64,
    changed: u64,
}

impl QuerySpan {
    /// `None` if nothing is recorded here.
    pub(super) fn begin<DB: TracedDatabase>(settings: &Settings, sql: &str) -> Option<Self> {
        let parent = current_trace();
        let statement = SqlStatement::of(sql);
        let summary = statement.shared_summary();
        let builder = SpanBuilder::new(summary.clone().unwrap_or(Text::Static(DB::SYSTEM)));
        if !builder.is_recording() {
            return None;
        }
        let mut span = builder.with_kind(SpanKind::Client).with_attribute("db.system.name", DB::SYSTEM).start();
        let SqlServer { address, port, namespace } = &settings.server;
        let texts = [
            ("db.query.summary", summary),
            ("db.operation.name", statement.operation().map(Text::Static)),
            ("db.collection.name", statement.shared_table()),
            ("db.query.text", Some(statement.shared_text())),
            ("db.namespace", namespace.clone()),
            ("server.address", address.clone()),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                span.attribute(key, text);
            }
        }
        if let Some(port) = port {
            span.attribute("server.port", u32::from(*port));
        }
        let count = parent
            .and_then(|parent| REPETITIONS.observe(parent, statement.fingerprint(), settings.repetition_threshold));
        if let Some(count) = count {
            span.attribute("db.pattern", N_PLUS_ONE);
            span.attribute("db.pattern.count", count);
        }
        let (kind, start_nanos) = (statement.kind(), monotonic_nanos());
        Some(Self { span, kind, slow: settings.slow, start_nanos, returned: 0, changed: 0 })
    }

    pub(super) const fn returned_row(&mut self) {
        self.returned = self.returned.saturating_add(1);
    }

    pub(super) const fn changed(&mut self, rows: u64) {
        self.changed = self.changed.saturating_add(rows);
    }

    /// Without the message: databases quote values in theirs.
    pub(super) fn failed(&mut self, error: &Error) {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(Cow::into_owned);
        let description = match &code {
            Some(code) => format!("{}: {code}", class_of(error)),
            None => class_of(error).to_owned(),
        };
        self.span.set_status(Status::error(description));
        match code {
            Some(code) => {
                self.span.attribute("db.response.status_code", code.clone());
                self.span.attribute("error.type", code);
            }
            None => self.span.attribute("error.type", class_of(error)),
        }
    }
}

impl Drop for QuerySpan {
    fn drop(&mut self) {
        if self.kind == SqlKind::Read || self.returned > 0 {
            self.span.attribute("db.response.returned_rows", self.returned);
        }
        if self.kind == SqlKind::Write {
            self.span.attribute("db.response.affected_rows", self.changed);
        }
        let taken = Duration::from_nanos(monotonic_nanos().saturating_sub(self.start_nanos));
        if taken >= self.slow {
            self.span.attribute("performance.slow", true);
        }
    }
}

/// A short stable name of what went wrong.
fn class_of(error: &Error) -> &'static str {
    match error {
        Error::Database(error) => match error.kind() {
            sqlx::error::ErrorKind::UniqueViolation => "unique_violation",
            sqlx::error::ErrorKind::ForeignKeyViolation => "foreign_key_violation",
            sqlx::error::ErrorKind::NotNullViolation => "not_null_violation",
            sqlx::error::ErrorKind::CheckViolation => "check_violation",
            sqlx::error::ErrorKind::ExclusionViolation => "exclusion_violation",
            _ => "database",
        },
        Error::Io(_) => "io",
        Error::Tls(_) => "tls",
        Error::Protocol(_) => "protocol",
        Error::PoolTimedOut => "pool_timed_out",
        Error::PoolClosed => "pool_closed",
        Error::WorkerCrashed => "worker_crashed",
        Error::RowNotFound => "row_not_found",
        Error::Encode(_) => "encode",
        Error::Decode(_) | Error::ColumnDecode { .. } => "decode",
        Error::Configuration(_) => "configuration",
        _ => "_OTHER",
    }
}
