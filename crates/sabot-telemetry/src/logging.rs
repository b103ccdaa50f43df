//! Logs for people: `tracing` events, compact, on standard error.
//!
//! Standard output stays free for data.

use std::io::{IsTerminal, Write};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::logs::LogLayer;

/// Sabot's own crates tell what they do, others only what went wrong.
const DEFAULT_FILTER: &str = "warn,sabot=info";
/// A service that sets everything up with one call is told by all of its crates what they do.
const SERVICE_FILTER: &str = "info";

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter does not parse.
    #[error("log filter \"{filter}\" from {origin} is not valid; write it like info or warn,sabot=debug")]
    Filter {
        /// What was given.
        filter: String,
        /// Where it was given.
        origin: &'static str,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something else receives `tracing` events already.
    #[error("logging is already set up in this process")]
    AlreadySet(#[from] TryInitError),
}

/// Sends log events to `lines`, which belongs to standard error, for the rest of the process: each in one write. The filter is the first given of `filter`,
/// `SABOT_LOG` and `RUST_LOG`; without any, `info` for crates whose name starts with `sabot` and `warn` for the others.
pub fn init_logging<L>(filter: Option<&str>, lines: L) -> Result<(), LoggingError>
where
    L: Write + Clone + Send + Sync + 'static,
{
    let filter = choose_filter(filter, DEFAULT_FILTER, |name| std::env::var(name).ok())?;
    subscriber(filter, move || lines.clone(), ansi()).try_init()?;
    Ok(())
}

/// Sends log events to standard error, and to `queue` if there is one, for the rest of the process. The filter is the
/// first given of `SABOT_LOG` and `RUST_LOG`; without any, `info`.
pub(crate) fn init_logging_of_service(queue: Option<LogLayer>) -> Result<(), LoggingError> {
    let filter = choose_filter(None, SERVICE_FILTER, |name| std::env::var(name).ok())?;
    subscriber(filter, std::io::stderr, ansi()).with(queue).try_init()?;
    Ok(())
}

fn ansi() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_color && std::io::stderr().is_terminal()
}

fn choose_filter(
    explicit: Option<&str>,
    default: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<EnvFilter, LoggingError> {
    let given = |name: &'static str| environment(name).map(|filter| (filter, name));
    let explicit = explicit.map(|filter| (filter.to_owned(), "the command line or configuration"));
    let (filter, origin) = [explicit, given("SABOT_LOG"), given("RUST_LOG")]
        .into_iter()
        .flatten()
        .find(|(filter, _)| !filter.trim().is_empty())
        .unwrap_or_else(|| (default.to_owned(), "the default"));
    EnvFilter::builder().parse(&filter).map_err(|source| LoggingError::Filter { filter, origin, source })
}

fn subscriber<W>(
    filter: EnvFilter,
    writer: W,
    ansi: bool,
) -> impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().compact().with_ansi(ansi).with_writer(writer);
    tracing_subscriber::registry().with(filter).with(lines)
}

#[cfg(test)]
mod tests;
