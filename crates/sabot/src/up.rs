//! `sabot up`: the server in this process, and what the terminal shows of it.
//!
//! [`run`] builds the options, `serve` runs the server and tells the [`Reporter`] what happens. Everything is written
//! to stderr: stdout belongs to agents whose output is `console`, and to the summary when it is asked for in a format for
//! programs.

mod log;
mod progress;
mod signals;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use sabot_server::{Failure, Reading, Server, ServerError, ServerErrorKind, Started, UpOptions};
use sabot_telemetry::LogLayer;

use self::log::LogLines;
use self::progress::{Progress, Snapshot};
use self::signals::Signals;
use self::summary::Summary;
use crate::cli::{Format, UpArgs};
use crate::error::CliError;
use crate::output::{Printer, counted};

/// Threads that answer requests; batches are processed on others.
const API_THREADS: usize = 2;
/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Before what has not come to an end and will not by itself.
const UNFINISHED: &str = "not everything is processed:";

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

    /// Where log lines go: to stderr, above the progress display.
    fn log_lines(&self) -> LogLines {
        LogLines::new(self.printer.clone(), &self.progress)
    }

    /// Says something once, such as where the server listens.
    pub(crate) fn say(&self, message: &str) {
        self.progress.suspend(|| self.printer.note(message));
    }

    /// Says something that deserves attention.
    pub(crate) fn warn(&self, message: &str) {
        self.progress.suspend(|| self.printer.warn(message));
    }

    /// Shows how far processing is; to be called often, it paces itself.
    pub(crate) fn progress(&mut self, snapshot: &Snapshot) {
        if let Some(line) = self.progress.update(snapshot) {
            self.printer.note(&line);
        }
    }

    /// Ends the progress display and says why.
    pub(crate) fn done(&self, message: &str) {
        self.progress.clear();
        self.printer.note(message);
    }

    /// Ends the progress display and prints what was done.
    pub(crate) fn finish(self, summary: &Summary) -> Result<(), CliError> {
        self.progress.clear();
        if self.printer.format() == Format::Table {
            self.printer.note(&summary.render(self.printer.err_style()));
            return Ok(());
        }
        self.printer.show(&summary.document(), |style| summary.render(style))
    }
}

/// Runs `up`: the server on this process's threads, until it is done or told to stop.
pub(crate) fn run(args: UpArgs, config: Option<PathBuf>, printer: &Printer) -> Result<ExitCode, CliError> {
    check_directory(&args, config.as_deref(), Path::new("."))?;
    let reporter = Reporter::new(printer);
    let logs = sabot_telemetry::init_logging(printer.log_filter(), reporter.log_lines())
        .map_err(|error| CliError::failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(API_THREADS)
        .thread_name("sabot-api")
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(error.to_string()))?;
    let exit_when_idle = args.exit_when_idle;
    let options = server_options(args, config);
    let outcome = runtime.block_on(serve(options, logs, exit_when_idle, reporter));
    // After a second Ctrl-C nothing is waited for.
    runtime.shutdown_background();
    outcome
}

/// Refuses to run an empty project on the data of the one that is here: it would not run that project's agents, and look
/// as if it had nothing to do.
fn check_directory(args: &UpArgs, config: Option<&Path>, here: &Path) -> Result<(), CliError> {
    if args.dir.is_some() || config.is_some() || !here.join("sabot.yaml").exists() {
        return Ok(());
    }
    let problem = "this directory has a sabot.yaml, and `sabot up` without DIR runs an empty project";
    Err(CliError::usage(problem).with_hint("run `sabot up .` for the project in this directory"))
}

async fn serve(
    options: UpOptions,
    logs: LogLayer,
    exit_when_idle: bool,
    mut reporter: Reporter<'_>,
) -> Result<ExitCode, CliError> {
    let mut signals = Signals::listen()?;
    let (server, started, asked_to_stop) = start(options, logs, &mut signals, &reporter).await?;
    announce(&started, exit_when_idle, &reporter);
    let interrupted = match (asked_to_stop, started.finished_before && exit_when_idle) {
        (true, _) => true,
        (false, true) => false,
        (false, false) => watch(&server, &mut reporter, &mut signals, exit_when_idle).await,
    };
    // A drain stops every agent.
    let unfinished = if interrupted { Vec::new() } else { server.reading().unfinished };
    if interrupted {
        reporter.say("stopping: committing what is in flight; press Ctrl-C again to stop at once");
    }
    tokio::select! {
        // What it commits last is part of the summary; whether it did in time, `stop` tells again.
        _ = server.drain() => {}
        () = signals.next() => return Err(stopped_at_once()),
    }
    let failures = server.reading().failures;
    let summary = summary_of(&server);
    let drained = tokio::select! {
        drained = server.stop() => drained,
        () = signals.next() => return Err(stopped_at_once()),
    };
    reporter.finish(&summary)?;
    if !drained {
        return Err(CliError::failed(
            "the drain took too long; what was not committed is done again at the next start",
        ));
    }
    let mut problems: Vec<String> = failures.iter().map(ToString::to_string).collect();
    if !unfinished.is_empty() {
        problems.push(UNFINISHED.to_owned());
        problems.extend(unfinished);
    }
    if problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(CliError::failed(problems.join("\n"))) }
}

/// Starts the server, and says whether somebody asked for its end meanwhile; who asks twice does not wait for it.
async fn start(
    options: UpOptions,
    logs: LogLayer,
    signals: &mut Signals,
    reporter: &Reporter<'_>,
) -> Result<(Server, Started, bool), CliError> {
    // On a thread of its own: recovery reads the disk without letting go.
    let mut starting = tokio::spawn(async move { Server::start(&options, &logs).await });
    let mut asked_to_stop = false;
    loop {
        tokio::select! {
            outcome = &mut starting => {
                let outcome = outcome.map_err(|error| CliError::failed(format!("the start ended early: {error}")))?;
                return outcome.map(|(server, started)| (server, started, asked_to_stop)).map_err(start_error);
            }
            () = signals.next() => {
                if asked_to_stop {
                    return Err(stopped_at_once());
                }
                asked_to_stop = true;
                reporter.say("still starting, stops right after; press Ctrl-C again to stop at once");
            }
        }
    }
}

fn stopped_at_once() -> CliError {
    CliError::failed("stopped at once; what was not committed is done again at the next start")
}

/// Says what was started and where it is.
fn announce(started: &Started, exit_when_idle: bool, reporter: &Reporter<'_>) {
    let Started { streams, tables, agents, workers, address, .. } = started;
    reporter.say(&format!(
        "started {}, {}, {} on {}; data in {}",
        counted(*streams, "stream"),
        counted(*tables, "table"),
        counted(*agents, "agent"),
        counted(*workers, "worker"),
        started.data_dir.display()
    ));
    let what = if started.with_ui { "pages and API" } else { "API" };
    reporter.say(&format!("{what} at http://{address}"));
    if started.finished_before {
        reporter.say("this run is finished: every source was read to its end and everything is committed");
        let until = if exit_when_idle { "" } else { "; what is there can be queried until you press Ctrl-C" };
        reporter.say(&format!("hint: add --fresh to start over{until}"));
    }
    for warning in &started.warnings {
        reporter.warn(warning);
    }
}

/// Shows progress until the run is to end: true when somebody asked for it, false when nothing is left to do.
async fn watch(server: &Server, reporter: &mut Reporter<'_>, signals: &mut Signals, exit_when_idle: bool) -> bool {
    let mut look = tokio::time::interval(LOOK);
    let mut told_idle = false;
    loop {
        tokio::select! {
            () = signals.next() => return true,
            _ = look.tick() => {
                let reading = server.reading();
                if !told_idle {
                    reporter.progress(&snapshot(&reading));
                }
                if reading.idle && exit_when_idle {
                    return false;
                }
                if reading.idle && !told_idle {
                    told_idle = true;
                    reporter.done(&idle_message(&reading.failures, &reading.unfinished));
                }
            }
        }
    }
}

/// What is said when nothing is left to do.
fn idle_message(failures: &[Failure], unfinished: &[String]) -> String {
    if failures.is_empty() && unfinished.is_empty() {
        return "everything is processed and committed; press Ctrl-C to stop".to_owned();
    }
    let mut lines = Vec::new();
    if !failures.is_empty() {
        lines.push("failed:".to_owned());
        lines.extend(failures.iter().map(|failure| format!("{failure} (see `{}`)", failure.look)));
    }
    if !unfinished.is_empty() {
        lines.push(UNFINISHED.to_owned());
        lines.extend_from_slice(unfinished);
    }
    lines.push("nothing is left to do for the others; press Ctrl-C to stop".to_owned());
    lines.join("\n")
}

fn snapshot(reading: &Reading) -> Snapshot {
    Snapshot {
        events_in: reading.events_in,
        events_out: reading.events_out,
        events_per_second: reading.events_per_second,
        late: reading.late,
        errors: reading.errors,
        watermark: reading.watermark.clone(),
        fraction: reading.fraction,
    }
}

fn summary_of(server: &Server) -> Summary {
    let agents = server.summary().into_iter().map(|agent| summary::AgentSummary {
        name: agent.name,
        events_in: agent.events_in,
        events_out: agent.events_out,
        elapsed: agent.elapsed,
        late: agent.late,
        errors: agent.errors,
    });
    let sources = server.source_summary().into_iter().map(|source| summary::SourceSummary {
        name: source.name,
        dead: source.dead,
        kept_in: source.kept_in,
    });
    Summary { elapsed: server.elapsed(), agents: agents.collect(), sources: sources.collect() }
}

fn start_error(error: ServerError) -> CliError {
    match error.kind {
        ServerErrorKind::BadInput => CliError::usage(error.message),
        ServerErrorKind::Refused => CliError::refused(error.message),
        ServerErrorKind::Environment => CliError::failed(error.message),
    }
}

fn server_options(args: UpArgs, config: Option<PathBuf>) -> UpOptions {
    let UpArgs { dir, port, bind, data_dir, no_ui, exit_when_idle: _, fresh, speed, insecure } = args;
    UpOptions { dir, config, port, bind, data_dir, no_ui, fresh, speed, insecure }
}

#[cfg(test)]
mod tests;
