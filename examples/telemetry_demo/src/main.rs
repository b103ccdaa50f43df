//! Everything sabot-telemetry does, in one process, in an order to read.
//!
//! The story of a run: start telemetry once, walk through the features one by one, end it and look at the account. With
//! `--serve` there is a steady load instead, for a dashboard. Invariant: what is printed as a result was read back, from the
//! file that telemetry was sent to, from the endpoint that was scraped, or from the library's own counts.

mod business;
mod context;
mod failover;
mod load;
mod logs;
mod metrics;
mod page;
mod readback;
mod redaction;
mod sampling;
mod setup;
mod spans;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use tempfile::TempDir;

use self::page::Page;
use self::readback::Received;

const EXAMPLES: &str = "Examples:
  cargo run -p telemetry_demo
  cargo run -p telemetry_demo -- --serve
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 cargo run -p telemetry_demo

Everything OpenTelemetry's specification reads from the environment (OTEL_*) is read here, too.";

/// Shows what sabot-telemetry does, step by step.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Args {
    /// Goes on with a steady load until Ctrl-C, for a dashboard to look at.
    #[arg(long)]
    serve: bool,
    /// Where --serve answers GET /metrics; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9464")]
    metrics_address: SocketAddr,
}

/// What can end the demonstration.
type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.serve { load::serve(args.metrics_address, io::stdout()).await } else { tour().await };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody to tell.
            writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn tour() -> Result<(), Failure> {
    let directory = TempDir::with_prefix("telemetry_demo-")?;
    let file = directory.path().join("telemetry.jsonl");
    let mut page = Page::new(io::stdout(), io::stdout().is_terminal());
    let telemetry = setup::start(&file, &mut page)?;
    let received = Received::in_file(&file);

    spans::show(&telemetry, &received, &mut page).await?;
    context::show(&received, &mut page).await?;
    metrics::show(&telemetry, &mut page).await?;
    metrics::show_overflow(&mut page)?;
    business::show(&telemetry, &received, &mut page).await?;
    redaction::show(&telemetry, &received, &mut page).await?;
    sampling::show_head(&mut page)?;
    sampling::show_outcome(&mut page)?;
    logs::show(&received, &mut page).await?;
    failover::show(directory.path(), &mut page).await?;
    setup::end(telemetry, &mut page).await
}
