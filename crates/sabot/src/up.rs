//! `sabot up`: the server in this process, and what the terminal shows of it.
//!
//! [`run`] builds the options, [`start`] runs the server and tells the [`Reporter`] what happens. Everything is written
//! to stderr: stdout belongs to agents whose output is `console`.

mod progress;
mod summary;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use sabot_common::units::Speed;

use self::progress::{Progress, Snapshot};
use self::summary::Summary;
use crate::cli::UpArgs;
use crate::error::CliError;
use crate::output::Printer;

/// What the flags of `up` ask for; what they leave open is the project's to say.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "one per flag")]
pub(crate) struct UpOptions {
    /// The project's directory; without one the project is empty.
    pub(crate) dir: Option<PathBuf>,
    /// Port of the API; 0 takes any free one.
    pub(crate) port: Option<u16>,
    /// Address to listen on.
    pub(crate) bind: Option<IpAddr>,
    /// Where data is kept.
    pub(crate) data_dir: Option<PathBuf>,
    /// Whether the UI is left out.
    pub(crate) no_ui: bool,
    /// Whether to exit when everything is processed and committed.
    pub(crate) exit_when_idle: bool,
    /// Whether earlier data is deleted first.
    pub(crate) fresh: bool,
    /// How fast sources replay, instead of what their files say.
    pub(crate) speed: Option<Speed>,
    /// Whether listening beyond loopback is allowed.
    pub(crate) insecure: bool,
}

impl From<UpArgs> for UpOptions {
    fn from(args: UpArgs) -> Self {
        let UpArgs { dir, port, bind, data_dir, no_ui, exit_when_idle, fresh, speed, insecure } = args;
        Self { dir, port, bind, data_dir, no_ui, exit_when_idle, fresh, speed, insecure }
    }
}

/// What the terminal shows of a running server.
#[derive(Debug)]
pub(crate) struct Reporter<'a> {
    printer: &'a Printer,
    progress: Progress,
}

impl<'a> Reporter<'a> {
    /// A reporter that draws on a terminal, writes lines elsewhere, and nothing with `--quiet`.
    pub(crate) fn new(printer: &'a Printer) -> Self {
        Self { printer, progress: Progress::new(printer) }
    }

    /// Says something once, such as where the server listens.
    pub(crate) fn say(&self, message: &str) {
        self.progress.suspend(|| self.printer.note(message));
    }

    /// Shows how far processing is; to be called often, it paces itself.
    #[expect(dead_code, reason = "what a linked server reports")]
    pub(crate) fn progress(&mut self, snapshot: &Snapshot) {
        if let Some(line) = self.progress.update(snapshot) {
            self.printer.note(&line);
        }
    }

    /// Ends the progress display and prints what was done.
    #[expect(dead_code, reason = "what a linked server reports")]
    pub(crate) fn finish(self, summary: &Summary) {
        self.progress.clear();
        self.printer.note(&summary.render(self.printer.err_style()));
    }
}

/// Runs `up`.
pub(crate) fn run(args: UpArgs, printer: &Printer) -> Result<ExitCode, CliError> {
    start(UpOptions::from(args), Reporter::new(printer))
}

/// Runs the server until it is done or told to stop.
#[expect(clippy::needless_pass_by_value, reason = "a linked server takes them over")]
fn start(options: UpOptions, reporter: Reporter<'_>) -> Result<ExitCode, CliError> {
    reporter.say("starting");
    Err(CliError::failed(format!("no server is linked into this binary; asked for {options:?}")))
}

#[cfg(test)]
mod tests;
