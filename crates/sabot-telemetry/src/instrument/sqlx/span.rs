//! The span of one query.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::trace::{Span, Status};
use sqlx::Error;

use super::{Settings, SqlServer, TracedDatabase};
use crate::ambient::{SpanBuilder, current_trace};
use crate::clock::monotonic_nanos;
use crate::context::TraceContext;
use crate::instrument::repetition::{N_PLUS_ONE, REPETITIONS};
use crate::instrument::sql::{SqlKind, SqlStatement};
use crate::instrument::unanswered;
use crate::otel::OtelSpan;
use crate::record::SpanKind;
use crate::text::Text;

/// A query that is running; it ends when it is dropped, and has failed if nothing has come back by then.
pub(super) struct QuerySpan {
    span: OtelSpan,
    is_answered: bool,
    kind: SqlKind,
    slow: Duration,
    start_nanos: u64,
    returned: u64,
    changed: u64,
}

impl QuerySpan {
    /// `None` if nobody hears of it.
    pub(super) fn begin<DB: TracedDatabase>(settings: &Settings, sql: &str) -> Option<Self> {
        let parent = current_trace();
        let statement = SqlStatement::of(sql);
        let builder = SpanBuilder::new(statement.shared_summary().unwrap_or(Text::Static(DB::SYSTEM)));
        if !builder.is_tracked() {
            return None;
        }
        let mut span = builder.with_kind(SpanKind::Client).with_attribute("db.system.name", DB::SYSTEM).start();
        if span.is_recording() {
            describe(&mut span, settings, &statement, parent);
        }
        let (kind, start_nanos) = (statement.kind(), monotonic_nanos());
        Some(Self { span, is_answered: false, kind, slow: settings.slow, start_nanos, returned: 0, changed: 0 })
    }

    pub(super) const fn returned_row(&mut self) {
        self.is_answered = true;
        self.returned = self.returned.saturating_add(1);
    }

    pub(super) const fn changed(&mut self, rows: u64) {
        self.is_answered = true;
        self.changed = self.changed.saturating_add(rows);
    }

    /// There is no more to come.
    pub(super) const fn complete(&mut self) {
        self.is_answered = true;
    }

    /// Without the message: databases quote values in theirs.
    pub(super) fn failed(&mut self, error: &Error) {
        self.is_answered = true;
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

/// Says what a recorded query is.
fn describe(span: &mut OtelSpan, settings: &Settings, statement: &SqlStatement, parent: Option<TraceContext>) {
    let SqlServer { address, port, namespace } = &settings.server;
    let texts = [
        ("db.query.summary", statement.shared_summary()),
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
    // What was not read to its end may differ where it was not read, and no row is behind a transaction.
    let is_of_rows = matches!(statement.kind(), SqlKind::Read | SqlKind::Write);
    let repeated = parent.filter(|_| is_of_rows && statement.is_complete());
    let count =
        repeated.and_then(|parent| REPETITIONS.observe(parent, statement.fingerprint(), settings.repetition_threshold));
    if let Some(count) = count {
        span.attribute("db.pattern", N_PLUS_ONE);
        span.attribute("db.pattern.count", count);
    }
}

impl Drop for QuerySpan {
    fn drop(&mut self) {
        if !self.is_answered {
            let why = unanswered();
            self.span.set_status(Status::error(why));
            self.span.attribute("error.type", why);
        }
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
