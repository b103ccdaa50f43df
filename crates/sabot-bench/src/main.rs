//! `sabot-bench`: what the spine costs, against DataFusion and the disk in the same run.
//!
//! - [`workload`]: ten million events in memory, and the queries over them.
//! - [`engine`]: a query as an agent, through [`source`], operators and a sink, with offsets and state committed to
//!   [`disk`]. [`baseline`]: the same query as a DataFusion batch.
//! - [`spine`]: both, interleaved. [`durable`]: rows to a stream on disk, against writing the same bytes to a file.
//!   [`process`]: an idle server.
//! - [`meter`] measures, [`machine`] says where, [`report`] keeps every sample and prints medians.
//!
//! Invariant: every number printed was measured in this run, and a run whose results are wrong fails.

mod baseline;
mod cli;
mod disk;
mod durable;
mod engine;
mod error;
mod machine;
mod meter;
mod process;
mod report;
mod source;
mod spine;
mod telemetry;
mod workload;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Suite};
use crate::error::BenchError;
use crate::machine::Machine;
use crate::report::Report;
use crate::workload::Workload;

// The allocator of the `sabot` binary, for both sides of every comparison.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            drop(writeln!(std::io::stderr().lock(), "sabot-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), BenchError> {
    let dir = tempfile::Builder::new().prefix("sabot-bench-").tempdir_in(cli.directory()?)?;
    let mut report = Report::new(Machine::look());
    let workload = Workload::generate(cli.events);
    if cli.wants(Suite::Spine) {
        spine::measure(cli, &workload, dir.path(), &mut report)?;
    }
    if cli.wants(Suite::Durable) {
        durable::measure(cli, &workload, dir.path(), &mut report)?;
    }
    drop(workload);
    if cli.wants(Suite::Process) {
        process::measure(cli, dir.path(), &mut report)?;
    }
    write!(std::io::stdout().lock(), "{report}")?;
    if let Some(file) = &cli.output {
        std::fs::write(file, format!("{:#}\n", report.to_json()))?;
    }
    Ok(())
}
