//! The progress line and the final summary, for readings made up here.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use sabot_common::clock::{Clock, ManualClock, Timestamp};
use sabot_common::units::Speed;

use super::progress::{Pace, Progress, Snapshot, plain_line};
use super::summary::{AgentSummary, SourceSummary, Summary};
use super::{UpOptions, server_options};
use crate::cli::{Cli, Command};
use crate::output::{Printer, Style};

fn snapshot() -> Snapshot {
    Snapshot {
        events_in: 120_000,
        events_out: 9_123,
        events_per_second: 80_000.4,
        late: 12,
        errors: 0,
        watermark: "2013-01-02T05:00:00Z".to_owned(),
        fraction: Some(0.356),
    }
}

#[test]
fn a_line_tells_how_far_the_run_is() {
    let line =
        "35%  120,000 events in (80,000/s)  9,123 written by agents  late 12  errors 0  watermark 2013-01-02T05:00:00Z";
    assert_eq!(plain_line(&snapshot()), line);
    let endless = Snapshot { fraction: None, watermark: String::new(), ..snapshot() };
    assert_eq!(plain_line(&endless), "120,000 events in (80,000/s)  9,123 written by agents  late 12  errors 0");
    let ended = Snapshot { events_per_second: 0.2, ..endless };
    assert_eq!(plain_line(&ended), "120,000 events in  9,123 written by agents  late 12  errors 0");
}

#[test]
fn a_narrow_line_has_whole_parts() {
    let within = |columns| snapshot().line_within(columns);
    assert_eq!(within(200), plain_line(&Snapshot { fraction: None, ..snapshot() }));
    assert_eq!(within(80), "120,000 events in (80,000/s)  9,123 written by agents  late 12  errors 0");
    assert_eq!(within(60), "120,000 events in (80,000/s)  9,123 written by agents");
    assert_eq!(within(5), "120,000 events in (80,000/s)");
}

#[test]
fn fractions_out_of_range_stay_on_the_bar() {
    for (fraction, percent) in [(f64::NAN, "0%"), (-1.0, "0%"), (7.0, "100%")] {
        let line = plain_line(&Snapshot { fraction: Some(fraction), ..snapshot() });
        assert!(line.starts_with(percent), "{fraction}: {line}");
    }
}

#[test]
fn quiet_shows_nothing() {
    let cli = Cli::try_parse_from(["sabot", "--quiet", "up"]).expect("valid");
    let mut progress = Progress::new(&Printer::new(&cli.global));
    assert!(matches!(progress, Progress::Silent));
    assert_eq!(progress.update(&snapshot()), None);
}

#[test]
fn options_are_what_was_typed() {
    let typed = [
        "sabot",
        "up",
        "p",
        "--port",
        "0",
        "--speed",
        "20s",
        "--data-dir",
        "d",
        "--fresh",
        "--exit-when-idle",
        "--config",
        "c.yaml",
    ];
    let cli = Cli::try_parse_from(typed).expect("valid");
    let Command::Up(args) = cli.command else { panic!("not up") };
    let expected = UpOptions {
        dir: Some("p".into()),
        config: Some("c.yaml".into()),
        port: Some(0),
        speed: Some(Speed::Over(Duration::from_secs(20))),
        data_dir: Some("d".into()),
        fresh: true,
        ..UpOptions::default()
    };
    assert!(args.exit_when_idle);
    assert_eq!(server_options(args, cli.global.config), expected);
}

#[derive(Debug)]
struct Shared(Arc<ManualClock>);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

#[test]
fn lines_come_every_five_seconds() {
    let clock = Arc::new(ManualClock::default());
    let mut progress = Progress::Lines(Pace::new(Box::new(Shared(Arc::clone(&clock)))));
    let mut shown = Vec::new();
    for second in 0..12 {
        shown.extend(progress.update(&snapshot()).map(|_| second));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(shown, [5, 10]);
}

fn agent(name: &str, events_in: u64, errors: u64) -> AgentSummary {
    let elapsed = Duration::from_millis(500);
    AgentSummary { name: name.to_owned(), events_in, events_out: 42, elapsed, late: 3, errors }
}

#[test]
fn a_summary_has_a_line_per_agent_and_a_total() {
    let agents = vec![agent("hourly-delays", 336_776, 0), agent("late", 3, 1)];
    let summary = Summary { elapsed: Duration::from_secs(1), agents, ..Summary::default() };
    insta::assert_snapshot!(summary.render(Style::PLAIN));
}

#[test]
fn a_summary_for_programs_has_the_same() {
    let agents = vec![agent("hourly-delays", 336_776, 0), agent("late", 3, 1)];
    let document = Summary { elapsed: Duration::from_secs(1), agents, ..Summary::default() }.document();
    assert_eq!(document["agents"][0]["events_per_second"], 673_552.0);
    assert_eq!(
        document["total"],
        serde_json::json!({ "name": "total", "events_in": 336_779, "events_out": 84, "seconds": 0.5,
            "events_per_second": 673_558.0, "late": 6, "errors": 1 })
    );
}

#[test]
fn a_run_without_agents_or_time_divides_by_nothing() {
    let empty = Summary::default();
    assert_eq!(empty.render(Style::PLAIN), "no agents ran; 0.00s");
    let instant = AgentSummary { elapsed: Duration::ZERO, ..agent("a", 5, 0) };
    let rendered = Summary { agents: vec![instant], ..Summary::default() }.render(Style::PLAIN);
    assert!(rendered.ends_with("a              5          42     0.00         -     3       0"), "{rendered}");
}

#[test]
fn a_summary_tells_of_rows_that_were_left_out_and_where_they_are() {
    let source = |name: &str, dead, kept_in: Option<&str>| SourceSummary {
        name: name.to_owned(),
        dead,
        kept_in: kept_in.map(str::to_owned),
    };
    let sources = vec![
        source("flights", 1_204, Some("flights.dead")),
        source("planes", 1, None),
        source("clean", 0, Some("clean.dead")),
    ];
    let rendered = Summary { sources, ..Summary::default() }.render(Style::PLAIN);
    let expected = "no agents ran; 0.00s\n\
        flights: 1,204 rows did not fit and went to flights.dead; see `sabot streams tail flights.dead --from earliest`\n\
        planes: 1 row did not fit and was skipped";
    assert_eq!(rendered, expected);
}
