//! Doing something again every second, until it fails or the user ends it.

use std::time::Duration;

use crate::cli::Format;
use crate::error::CliError;
use crate::output::Printer;

const INTERVAL: Duration = Duration::from_secs(1);

/// Refuses formats that promise exactly one document; `fix` says what to type instead.
pub(super) fn for_people_only(printer: &Printer, what: &str, fix: &str) -> Result<(), CliError> {
    match printer.format() {
        Format::Table => Ok(()),
        Format::Json | Format::Yaml => {
            Err(CliError::usage(format!("{what} goes on and on, and --format json or yaml is one document"))
                .with_hint(fix))
        }
    }
}

/// Runs `step` now and after every second; Ctrl-C ends the process.
#[expect(clippy::disallowed_methods, reason = "the pace of a display for people; nothing depends on it")]
pub(super) fn every_second(mut step: impl FnMut() -> Result<(), CliError>) -> Result<(), CliError> {
    loop {
        step()?;
        std::thread::sleep(INTERVAL);
    }
}
