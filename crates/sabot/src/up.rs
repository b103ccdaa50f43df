//! `sabot up`: the server in this process, and what the terminal shows of it.
//!
//! [`run`] builds the options, `serve` runs the server and tells the [`Reporter`] what happens. Everything is written
//! to stderr: stdout belongs to agents whose output is `console`.

mod progress;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use sabot_server::{Reading, Server, ServerError, ServerErrorKind, Started, UpOptions};

use self::progress::{Progress, Snapshot};
use self::summary::Summary;
use crate::cli::UpArgs;
use crate::error::CliError;
use crate::output::Printer;

/// Threads that answer requests; batches are processed on others.
const API_THREADS: usize = 2;
/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

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
    pub(crate) fn finish(self, summary: &Summary) {
        self.progress.clear();
        self.printer.note(&summary.render(self.printer.err_style()));
    }
}

/// Runs `up`: the server on this process's threads, until it is done or told to stop.
pub(crate) fn run(args: UpArgs, config: Option<PathBuf>, printer: &Printer) -> Result<ExitCode, CliError> {
    sabot_telemetry::init_logging(None).map_err(|error| CliError::failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(API_THREADS)
        .thread_name("sabot-api")
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(error.to_string()))?;
    let exit_when_idle = args.exit_when_idle;
    let options = server_options(args, config);
    runtime.block_on(serve(&options, exit_when_idle, Reporter::new(printer)))
}

async fn serve(options: &UpOptions, exit_when_idle: bool, mut reporter: Reporter<'_>) -> Result<ExitCode, CliError> {
    let (server, started) = Server::start(options).await.map_err(start_error)?;
    announce(&started, &reporter);
    let interrupted = watch(
        &server,
        &mut reporter,
        exit_when_idle && !started.finished_before,
        started.finished_before && exit_when_idle,
    )
    .await?;
    let summary = summary_of(&server);
    let failures = server.reading().failures;
    if interrupted {
        reporter.say("stopping: committing what is in flight");
    }
    let drained = server.stop().await;
    reporter.finish(&summary);
    if !drained {
        return Err(CliError::failed(
            "the drain took too long; what was not committed is done again at the next start",
        ));
    }
    match failures.as_slice() {
        [] => Ok(ExitCode::SUCCESS),
        _ if interrupted => Ok(ExitCode::SUCCESS),
        failures => Err(CliError::failed(failures.join("\n"))),
    }
}

/// Says what was started and where it is.
fn announce(started: &Started, reporter: &Reporter<'_>) {
    let Started { streams, tables, agents, workers, address, .. } = started;
    reporter.say(&format!(
        "started {streams} streams, {tables} tables, {agents} agents on {workers} workers; data in {}",
        started.data_dir.display()
    ));
    let what = if started.with_ui { "pages and API" } else { "API" };
    reporter.say(&format!("{what} at http://{address}"));
    if started.finished_before {
        reporter.say("this run is finished: every source was read to its end and everything is committed");
        reporter.say("hint: add --fresh to start over; what is there can be queried until you press Ctrl-C");
    }
}

/// Shows progress until the run is to end: true when somebody asked for it, false when nothing is left to do.
async fn watch(
    server: &Server,
    reporter: &mut Reporter<'_>,
    exit_when_idle: bool,
    exit_now: bool,
) -> Result<bool, CliError> {
    if exit_now {
        return Ok(false);
    }
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| CliError::failed(error.to_string()))?;
    let mut look = tokio::time::interval(LOOK);
    let mut told_idle = false;
    loop {
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => return interrupt.map(|()| true).map_err(|error| CliError::failed(error.to_string())),
            _ = terminated.recv() => return Ok(true),
            _ = look.tick() => {
                let reading = server.reading();
                let idle = reading.idle;
                if !told_idle {
                    reporter.progress(&snapshot(reading));
                }
                if idle && exit_when_idle {
                    return Ok(false);
                }
                if idle && !told_idle {
                    told_idle = true;
                    reporter.done("everything is processed and committed; press Ctrl-C to stop");
                }
            }
        }
    }
}

fn snapshot(reading: Reading) -> Snapshot {
    Snapshot {
        events_in: reading.events_in,
        events_out: reading.events_out,
        events_per_second: reading.events_per_second,
        late: reading.late,
        errors: reading.errors,
        watermark: reading.watermark,
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
    Summary { elapsed: server.elapsed(), agents: agents.collect() }
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
