//! How far a run is: one line redrawn in place on a terminal, one line every few seconds elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sabot_common::clock::{Clock, SystemClock};
use sabot_common::units::format_count;

use crate::output::Printer;

/// Time between two lines where nothing can be redrawn.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Steps of the bar: a source's progress is a fraction, not a number of rows.
const BAR_STEPS: u64 = 1_000;

/// Between two parts of a line.
const GAP: &str = "  ";
/// Columns of the bar and its percentage.
const BAR_COLUMNS: usize = 27;

/// One reading of a running server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// Events that came in from sources.
    pub(crate) events_in: u64,
    /// Events written by agents.
    pub(crate) events_out: u64,
    /// Events from sources per second, lately.
    pub(crate) events_per_second: f64,
    /// Rows behind the watermark.
    pub(crate) late: u64,
    /// Errors.
    pub(crate) errors: u64,
    /// The lowest watermark, as text; empty before there is one.
    pub(crate) watermark: String,
    /// How much of the bounded sources is read, 0 to 1; none when a source has no end.
    pub(crate) fraction: Option<f64>,
}

impl Snapshot {
    /// What is told, the most important first: `120,000 events in (80,000/s)`, `9,123 written by agents`, `late 12`,
    /// `errors 0`, `watermark 2013-01-02T05:00:00Z`.
    fn parts(&self) -> Vec<String> {
        // Without a rate when sources have ended: nothing comes in then, and agents may still be busy.
        let rate = match rounded(self.events_per_second) {
            0 => String::new(),
            rate => format!(" ({}/s)", format_count(rate)),
        };
        let mut parts = vec![
            format!("{} events in{rate}", format_count(self.events_in)),
            format!("{} written by agents", format_count(self.events_out)),
            format!("late {}", format_count(self.late)),
            format!("errors {}", format_count(self.errors)),
        ];
        if !self.watermark.is_empty() {
            parts.push(format!("watermark {}", self.watermark));
        }
        parts
    }

    fn line(&self) -> String {
        self.parts().join(GAP)
    }

    /// As many whole parts as fit into this many columns.
    pub(super) fn line_within(&self, columns: usize) -> String {
        let mut line = String::new();
        for part in self.parts() {
            if !line.is_empty() && line.len() + GAP.len() + part.len() > columns {
                break;
            }
            if !line.is_empty() {
                line.push_str(GAP);
            }
            line.push_str(&part);
        }
        line
    }
}

/// The display.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing is shown.
    Silent,
    /// One line, redrawn within so many columns.
    Drawn(ProgressBar, usize),
    /// A line now and then.
    Lines(Pace),
}

impl Progress {
    pub(super) fn new(printer: &Printer) -> Self {
        if printer.is_quiet() {
            Self::Silent
        } else if printer.can_draw_progress() {
            let bar = ProgressBar::with_draw_target(Some(BAR_STEPS), ProgressDrawTarget::stderr());
            Self::Drawn(bar, printer.err_width().saturating_sub(BAR_COLUMNS))
        } else {
            Self::Lines(Pace::new(Box::new(SystemClock::new())))
        }
    }

    /// Shows a reading, or gives back a line to be written.
    pub(super) fn update(&mut self, snapshot: &Snapshot) -> Option<String> {
        match self {
            Self::Silent => None,
            Self::Drawn(bar, columns) => {
                bar.set_style(style(snapshot.fraction));
                bar.set_position(position(snapshot.fraction.unwrap_or(0.0)));
                bar.set_message(snapshot.line_within(*columns));
                bar.tick();
                None
            }
            Self::Lines(pace) => pace.is_due().then(|| plain_line(snapshot)),
        }
    }

    /// What is drawn, for those who write beside it.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        match self {
            Self::Drawn(bar, _) => Some(bar.clone()),
            Self::Silent | Self::Lines(_) => None,
        }
    }

    /// Runs `write` while nothing is drawn.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match self {
            Self::Drawn(bar, _) => bar.suspend(write),
            Self::Silent | Self::Lines(_) => write(),
        }
    }

    /// Takes the display away.
    pub(super) fn clear(&self) {
        if let Self::Drawn(bar, _) = self {
            bar.finish_and_clear();
        }
    }
}

/// Lets one of many readings through.
#[derive(Debug)]
pub(super) struct Pace {
    clock: Box<dyn Clock>,
    last: Duration,
}

impl Pace {
    pub(super) fn new(clock: Box<dyn Clock>) -> Self {
        let last = clock.monotonic();
        Self { clock, last }
    }

    fn is_due(&mut self) -> bool {
        let now = self.clock.monotonic();
        let due = now.saturating_sub(self.last) >= LINE_INTERVAL;
        if due {
            self.last = now;
        }
        due
    }
}

pub(super) fn plain_line(snapshot: &Snapshot) -> String {
    match snapshot.fraction {
        Some(fraction) => format!("{}%  {}", position(fraction) * 100 / BAR_STEPS, snapshot.line()),
        None => snapshot.line(),
    }
}

/// A bar where there is an end to reach, a spinner where there is none.
fn style(fraction: Option<f64>) -> ProgressStyle {
    let (template, fallback): (_, fn() -> ProgressStyle) = match fraction {
        Some(_) => ("{bar:20} {percent:>3}%  {wide_msg}", ProgressStyle::default_bar),
        None => ("{spinner} {wide_msg}", ProgressStyle::default_spinner),
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| fallback())
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the number of steps"
)]
fn position(fraction: f64) -> u64 {
    (fraction.clamp(0.0, 1.0) * BAR_STEPS as f64) as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate, NaN becomes 0")]
pub(super) fn rounded(value: f64) -> u64 {
    value.round() as u64
}
