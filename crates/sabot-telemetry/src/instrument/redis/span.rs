//! The span of one command, or of several that are sent together.

use std::time::Duration;

use opentelemetry::trace::{Span, Status};
use redis::{Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};

use super::Settings;
use super::command::Command;
use super::key::pattern_of;
use crate::ambient::SpanBuilder;
use crate::clock::monotonic_nanos;
use crate::instrument::{may_be_recorded, unanswered};
use crate::otel::OtelSpan;
use crate::record::SpanKind;
use crate::text::Text;

/// A command that is running; it ends when it is dropped, and has failed if there is no answer by then.
pub(super) struct CommandSpan {
    span: OtelSpan,
    is_answered: bool,
    slow: Duration,
    start_nanos: u64,
}

fn arguments(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command.args_iter().map(|argument| match argument {
        Arg::Simple(argument) => argument,
        _ => &[],
    })
}

impl CommandSpan {
    /// `None` if nobody hears of it.
    pub(super) fn of_command(settings: &Settings, database: i64, cmd: &Cmd) -> Option<Self> {
        if !may_be_recorded() {
            return None;
        }
        let mut arguments = arguments(cmd);
        let command = Command::named(arguments.next().unwrap_or_default());
        let mut begun = Self::begin(settings, database, command.name.clone())?;
        if !begun.span.is_recording() {
            return Some(begun);
        }
        begun.span.attribute("db.redis.command.category", command.category.as_str());
        let mut keys = command.keys.among(arguments);
        if let Some(first) = keys.next() {
            if settings.tells_patterns {
                begun.span.attribute("db.redis.key.pattern", pattern_of(first));
            }
            begun.span.attribute("db.redis.key.count", keys.count().saturating_add(1));
        }
        Some(begun)
    }

    /// `None` if nobody hears of it.
    pub(super) fn of_pipeline(settings: &Settings, database: i64, pipeline: &Pipeline) -> Option<Self> {
        if !may_be_recorded() {
            return None;
        }
        let mut begun = Self::begin(settings, database, name_of(pipeline))?;
        // One alone is no batch.
        if pipeline.len() != 1 {
            begun.span.attribute("db.operation.batch.size", pipeline.len());
        }
        Some(begun)
    }

    fn begin(settings: &Settings, database: i64, name: Text) -> Option<Self> {
        let builder = SpanBuilder::new(name.clone());
        if !builder.is_tracked() {
            return None;
        }
        let mut span = builder
            .with_kind(SpanKind::Client)
            .with_attribute("db.system.name", "redis")
            .with_attribute("db.operation.name", name)
            .with_attribute_with("db.namespace", || database.to_string())
            .start();
        if let Some(address) = &settings.address {
            span.attribute("server.address", address.clone());
        }
        if let Some(port) = settings.port {
            span.attribute("server.port", u32::from(port));
        }
        Some(Self { span, is_answered: false, slow: settings.slow, start_nanos: monotonic_nanos() })
    }

    pub(super) fn answered(&mut self, answer: &RedisResult<Value>) {
        self.is_answered = true;
        match answer {
            Ok(Value::ServerError(error)) => self.failed(Some(error.code()), "server"),
            Ok(_) => {}
            Err(error) => self.failed(error.code(), class_of(error)),
        }
    }

    /// The first that failed stands for all.
    pub(super) fn all_answered(&mut self, answers: &RedisResult<Vec<Value>>) {
        self.is_answered = true;
        match answers {
            Ok(answers) => {
                let error = answers.iter().find_map(|answer| match answer {
                    Value::ServerError(error) => Some(error),
                    _ => None,
                });
                if let Some(error) = error {
                    self.failed(Some(error.code()), "server");
                }
            }
            Err(error) => self.failed(error.code(), class_of(error)),
        }
    }

    /// Without the message: a server may quote arguments in it, and a script may say anything.
    fn failed(&mut self, code: Option<&str>, class: &'static str) {
        let code =
            code.filter(|code| matches!(code.len(), 1..=32) && code.bytes().all(|byte| byte.is_ascii_uppercase()));
        if let Some(code) = code {
            self.span.set_status(Status::error(code.to_owned()));
            self.span.attribute("db.response.status_code", code.to_owned());
            self.span.attribute("error.type", code.to_owned());
        } else {
            self.span.set_status(Status::error(class));
            self.span.attribute("error.type", class);
        }
    }
}

/// `MULTI` or `PIPELINE`, and the command if it is the same all over; one that is sent alone is just itself.
fn name_of(pipeline: &Pipeline) -> Text {
    let name = if pipeline.is_transaction() { "MULTI" } else { "PIPELINE" };
    let mut commands = pipeline.cmd_iter().map(|command| arguments(command).next().unwrap_or_default());
    let first = commands.next().filter(|first| commands.all(|command| command.eq_ignore_ascii_case(first)));
    match first.map(|first| Command::named(first).name) {
        Some(command) if pipeline.len() == 1 && !pipeline.is_transaction() => command,
        Some(command) if command != "_OTHER" => Text::Owned(format!("{name} {command}")),
        _ => Text::Static(name),
    }
}

impl Drop for CommandSpan {
    fn drop(&mut self) {
        if !self.is_answered {
            let why = unanswered();
            self.span.set_status(Status::error(why));
            self.span.attribute("error.type", why);
        }
        let taken = Duration::from_nanos(monotonic_nanos().saturating_sub(self.start_nanos));
        if taken >= self.slow {
            self.span.attribute("performance.slow", true);
        }
    }
}

/// A short stable name of what went wrong.
fn class_of(error: &RedisError) -> &'static str {
    match error.kind() {
        _ if error.is_timeout() => "timeout",
        _ if error.is_connection_refusal() => "connection_refused",
        _ if error.is_connection_dropped() => "connection_dropped",
        ErrorKind::Io => "io",
        ErrorKind::Parse => "parse",
        ErrorKind::AuthenticationFailed => "authentication_failed",
        ErrorKind::UnexpectedReturnType => "unexpected_return_type",
        ErrorKind::InvalidClientConfig => "invalid_client_config",
        ErrorKind::Server(_) | ErrorKind::Extension => "server",
        _ => "_OTHER",
    }
}
