//! How long a span holds up its caller, whatever the targets do: without telemetry, without a target, with one that takes
//! everything, one that is not there, and one that never answers.
//!
//! ```text
//! cargo bench -p sabot-telemetry --bench caller
//! ```
//!
//! One span with five attributes every 100 us, which is 10,000 a second, for five seconds each; the table has nanoseconds.
//! The cases take turns, so that what the machine does besides is shared out among them.

#![expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a tool for people, which measures real time")]

use std::error::Error;
use std::hint::black_box;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use sabot_telemetry::{
    ExportersConfig, OtlpProtocol, Target, TargetKind, TelemetryConfig, TelemetryProviders, init_telemetry,
};

const SPANS: usize = 10_000;
const TURNS: usize = 5;
const EVERY: Duration = Duration::from_micros(100);

struct Case {
    name: &'static str,
    telemetry: TelemetryProviders,
    nanos: Vec<u64>,
}

fn case(name: &'static str, target: Option<Target>, enabled: bool) -> Result<Case, Box<dyn Error>> {
    let exporters = ExportersConfig { targets: target.into_iter().collect(), ..ExportersConfig::default() };
    let config = TelemetryConfig::new("bench").without_environment().without_globals();
    let mut config = config.with_enabled(enabled).with_exporters(exporters);
    config.traces.batch_config.scheduled_delay = Duration::from_millis(100);
    let nanos = Vec::with_capacity(SPANS * TURNS);
    Ok(Case { name, telemetry: init_telemetry(config)?, nanos })
}

impl Case {
    fn turn(&mut self) {
        let start = Instant::now();
        for number in 0..SPANS {
            let due = start + EVERY * u32::try_from(number).unwrap_or(u32::MAX);
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            let began = Instant::now();
            let draft = self.telemetry.spans().start("process_batch").root();
            let mut span =
                draft.attribute("agent", "totals").attribute("partition", 3).attribute("replayed", false).start();
            span.set_attribute("rows", black_box(4_096));
            span.set_attribute("outcome", "committed");
            drop(black_box(span));
            self.nanos.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn report(&mut self) {
        self.nanos.sort_unstable();
        let at = |share: usize| self.nanos.get(self.nanos.len() * share / 1_000).copied().unwrap_or_default();
        let most = self.nanos.last().copied().unwrap_or_default();
        eprintln!("{:<16}{:>10}{:>10}{:>10}{most:>12}", self.name, at(500), at(990), at(999));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Takes connections and never reads.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let hanging = format!("http://{}", silent.local_addr()?);
    let otlp = |url: &str| Some(Target::otlp("only", url, OtlpProtocol::HttpProtobuf));
    let spans = std::env::temp_dir().join(format!("sabot-bench-{}.jsonl", std::process::id()));
    let taking = Target::new("only", TargetKind::File { path: spans.clone() });
    let mut cases = [
        case("off", None, false)?,
        case("no target", None, true)?,
        case("takes all", Some(taking), true)?,
        case("not there", otlp("http://127.0.0.1:9"), true)?,
        case("never answers", otlp(&hanging), true)?,
    ];
    for _ in 0..TURNS {
        for case in &mut cases {
            case.turn();
            // What nobody drains would fill its queue, and dropping is another path.
            if case.telemetry.exporter().is_none() {
                while !case.telemetry.span_queue().drain(8_192).is_empty() {}
            }
        }
    }
    eprintln!("{:<16}{:>10}{:>10}{:>10}{:>12}", "target", "p50", "p99", "p99.9", "longest");
    cases.iter_mut().for_each(Case::report);
    for case in cases {
        case.telemetry.shutdown_blocking(Duration::ZERO);
    }
    std::fs::remove_file(spans)?;
    Ok(())
}
