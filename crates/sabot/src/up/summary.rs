//! What a run did, printed when it ends.

use std::time::Duration;

use sabot_common::units::format_count;
use serde_json::{Value, json};

use super::progress::rounded;
use crate::output::{Cell, Grid, Style, Tone};

/// A finished run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// Time since the server started serving.
    pub(crate) elapsed: Duration,
    /// Each agent's part, in the order shown.
    pub(crate) agents: Vec<AgentSummary>,
    /// What came of sources' rows.
    pub(crate) sources: Vec<SourceSummary>,
}

/// What came of one source's rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SourceSummary {
    /// The stream or table it fills.
    pub(crate) name: String,
    /// Rows that did not fit and were left out.
    pub(crate) dead: u64,
    /// The stream they are kept in; none when they were skipped.
    pub(crate) kept_in: Option<String>,
}

/// One agent's part of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AgentSummary {
    /// The agent.
    pub(crate) name: String,
    /// Events it read.
    pub(crate) events_in: u64,
    /// Events it wrote.
    pub(crate) events_out: u64,
    /// From its first event to its last commit.
    pub(crate) elapsed: Duration,
    /// Rows behind the watermark.
    pub(crate) late: u64,
    /// Errors.
    pub(crate) errors: u64,
}

impl Summary {
    /// The same for programs.
    pub(super) fn document(&self) -> Value {
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "agents": self.agents.iter().map(AgentSummary::document).collect::<Vec<_>>(),
            "total": self.total().document(),
            "sources": self.sources.iter().map(SourceSummary::document).collect::<Vec<_>>(),
        })
    }

    /// A line per agent and one for all of them, and one per source that left rows out.
    pub(super) fn render(&self, style: Style) -> String {
        let agents = if self.agents.is_empty() {
            format!("no agents ran; {:.2}s", self.elapsed.as_secs_f64())
        } else {
            self.agents_table(style)
        };
        let left_out = self.sources.iter().filter(|source| source.dead > 0).map(|source| source.line(style));
        std::iter::once(agents).chain(left_out).collect::<Vec<_>>().join("\n")
    }

    fn agents_table(&self, style: Style) -> String {
        let numbers = ["EVENTS IN", "EVENTS OUT", "SECONDS", "EVENTS/S", "LATE", "ERRORS"];
        let mut grid = Grid::new([("AGENT", false)].into_iter().chain(numbers.map(|title| (title, true))), style);
        for agent in &self.agents {
            grid.row(agent.cells());
        }
        if self.agents.len() > 1 {
            grid.row(self.total().cells());
        }
        grid.render()
    }

    fn total(&self) -> AgentSummary {
        let sum = |of: fn(&AgentSummary) -> u64| self.agents.iter().map(of).fold(0, u64::saturating_add);
        AgentSummary {
            name: "total".to_owned(),
            events_in: sum(|agent| agent.events_in),
            events_out: sum(|agent| agent.events_out),
            // Agents work beside each other, and a server may go on when they have nothing left to do.
            elapsed: self.agents.iter().map(|agent| agent.elapsed).max().unwrap_or_default(),
            late: sum(|agent| agent.late),
            errors: sum(|agent| agent.errors),
        }
    }
}

impl SourceSummary {
    fn document(&self) -> Value {
        json!({ "name": self.name, "dead": self.dead, "dead_letters": self.kept_in })
    }

    fn line(&self, style: Style) -> String {
        let (rows, were) = match self.dead {
            1 => ("1 row".to_owned(), "was"),
            more => (format!("{} rows", format_count(more)), "were"),
        };
        let rows = style.paint(Tone::Bad, &rows);
        match &self.kept_in {
            Some(stream) => format!(
                "{}: {rows} did not fit and went to {stream}; see `sabot streams tail {stream} --from earliest`",
                self.name
            ),
            None => format!("{}: {rows} did not fit and {were} skipped", self.name),
        }
    }
}

impl AgentSummary {
    fn document(&self) -> Value {
        json!({
            "name": self.name,
            "events_in": self.events_in,
            "events_out": self.events_out,
            "seconds": self.elapsed.as_secs_f64(),
            "events_per_second": self.events_per_second(),
            "late": self.late,
            "errors": self.errors,
        })
    }

    fn cells(&self) -> [Cell; 7] {
        let errors_tone = if self.errors > 0 { Tone::Bad } else { Tone::Plain };
        [
            Cell::plain(&self.name),
            Cell::plain(format_count(self.events_in)),
            Cell::plain(format_count(self.events_out)),
            Cell::plain(format!("{:.2}", self.elapsed.as_secs_f64())),
            Cell::plain(self.events_per_second().map_or_else(|| "-".to_owned(), |rate| format_count(rounded(rate)))),
            Cell::plain(format_count(self.late)),
            Cell::toned(errors_tone, format_count(self.errors)),
        ]
    }

    /// A rate where there was time to have one.
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn events_per_second(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        (seconds > 0.0).then(|| self.events_in as f64 / seconds)
    }
}
