//! One trace drawn in the terminal: a tree of spans, each with a bar placed on the trace's time line.
//!
//! Every span appears exactly once, whatever the parents say: a span whose parent is not part of the trace is drawn as a
//! root, and so is the first span of a cycle.

mod tree;

use std::collections::{BTreeMap, BTreeSet};

use sabot_common::clock::Timestamp;
use sabot_common::registry::attributes;
use serde::{Deserialize, Deserializer};

use self::tree::{Placed, place};
use super::format::{counted, seconds};
use super::{Cell, Grid, Style, Tone, sections};

/// Characters of a bar, at least and at most.
const BAR_CELLS: (usize, usize) = (12, 60);
/// Characters of a span's name with its branches.
const MAX_LABEL_CHARS: usize = 56;
/// Parts a character of a bar is divided into.
const EIGHTHS: u64 = 8;

/// A trace as the API tells it.
#[derive(Debug, Deserialize)]
struct Trace {
    trace_id: String,
    spans: Vec<Span>,
}

/// A span, as far as it is drawn.
#[derive(Debug, Deserialize)]
struct Span {
    #[serde(rename = "span_id")]
    id: String,
    #[serde(default, rename = "parent_span_id")]
    parent_id: Option<String>,
    #[serde(default)]
    service: String,
    name: String,
    #[serde(deserialize_with = "nanos")]
    start_unix_nano: u64,
    #[serde(deserialize_with = "nanos")]
    end_unix_nano: u64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    status_message: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
}

/// Draws the API's answer into `width` columns.
pub(crate) fn waterfall(trace: &serde_json::Value, width: usize, style: Style) -> Result<String, serde_json::Error> {
    let Trace { trace_id, spans } = Trace::deserialize(trace)?;
    let rows = place(&spans);
    let scale = Scale::of(&spans, bar_cells(&spans, &rows, width));
    let header = [("SPAN", false), ("SERVICE", false), ("DURATION", true), ("STATUS", false), ("TIMELINE", false)];
    let mut grid = Grid::new(header, style);
    for (span, row) in rows.iter().filter_map(|row| Some((spans.get(row.span)?, row))) {
        let (tone, status) = status(span);
        grid.row([
            Cell::plain(label(span, row)),
            Cell::toned(Tone::Dim, &span.service),
            Cell::plain(seconds(to_seconds(span.duration()))),
            Cell::toned(tone, status),
            Cell::toned(tone, scale.bar(span)),
        ]);
    }
    Ok(sections([summary(&trace_id, &spans, &scale), grid.render(), errors(&spans)]))
}

impl Span {
    fn duration(&self) -> u64 {
        self.end_unix_nano.saturating_sub(self.start_unix_nano)
    }

    fn is_error(&self) -> bool {
        self.status.eq_ignore_ascii_case("error")
    }
}

/// The trace's time line in characters.
struct Scale {
    start: u64,
    duration: u64,
    cells: usize,
}

impl Scale {
    fn of(spans: &[Span], cells: usize) -> Self {
        let start = spans.iter().map(|span| span.start_unix_nano).min().unwrap_or(0);
        let end = spans.iter().map(|span| span.end_unix_nano).max().unwrap_or(0);
        Self { start, duration: end.saturating_sub(start), cells }
    }

    /// Spaces up to the span's start, then blocks up to its end, at least one sliver.
    fn bar(&self, span: &Span) -> String {
        const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let last_cell = self.cells.saturating_sub(1) as u64;
        let first = (self.eighths(span.start_unix_nano, false) / EIGHTHS).min(last_cell);
        let length = self.eighths(span.end_unix_nano, true).saturating_sub(first * EIGHTHS).max(1);
        let (whole, part) = (to_cells(length / EIGHTHS), to_cells(length % EIGHTHS));
        let partial = PARTS.get(part).copied().unwrap_or_default();
        format!("{}{}{partial}", " ".repeat(to_cells(first)), "█".repeat(whole))
    }

    /// Where an instant falls, in eighths of a character, rounded outwards.
    fn eighths(&self, at: u64, up: bool) -> u64 {
        let (offset, total) = (u128::from(at.saturating_sub(self.start)), u128::from(self.duration.max(1)));
        let scaled = offset * (self.cells as u128) * u128::from(EIGHTHS);
        let position = if up { scaled.div_ceil(total) } else { scaled / total };
        u64::try_from(position).unwrap_or(u64::MAX).min(self.cells as u64 * EIGHTHS)
    }
}

fn to_cells(count: u64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// What the other columns leave to the bars.
fn bar_cells(spans: &[Span], rows: &[Placed], width: usize) -> usize {
    const DURATION_STATUS_AND_GAPS: usize = 28;
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let labels = widest(&mut rows.iter().filter_map(|row| Some(label(spans.get(row.span)?, row).chars().count())));
    let services = widest(&mut spans.iter().map(|span| span.service.chars().count()));
    let (least, most) = BAR_CELLS;
    width.saturating_sub(labels + services + DURATION_STATUS_AND_GAPS).clamp(least, most)
}

fn label(span: &Span, row: &Placed) -> String {
    let orphan = if row.parent_missing { " (parent missing)" } else { "" };
    // Windows that fired together are told apart by when they began.
    let window = span.attributes.get(attributes::WINDOW_START).and_then(|start| start.as_str());
    let window = window.map(|start| format!(" {start}")).unwrap_or_default();
    let label = format!("{}{}{window}{orphan}", row.branches, span.name);
    if label.chars().count() <= MAX_LABEL_CHARS {
        return label;
    }
    label.chars().take(MAX_LABEL_CHARS - 1).chain(['…']).collect()
}

/// A symbol and a word, so that neither colour nor symbols alone carry the meaning.
fn status(span: &Span) -> (Tone, &'static str) {
    match span.status.to_lowercase().as_str() {
        "error" => (Tone::Bad, "✗ error"),
        "ok" => (Tone::Good, "✓ ok"),
        _ => (Tone::Plain, "· unset"),
    }
}

fn summary(trace_id: &str, spans: &[Span], scale: &Scale) -> String {
    let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    let errors = spans.iter().filter(|span| span.is_error()).count();
    let started = Timestamp::from_unix_nanos(i64::try_from(scale.start).unwrap_or(i64::MAX));
    format!(
        "trace {}: {}, {}, {}, {} from {started}",
        Cell::plain(trace_id).text,
        counted(spans.len(), "span"),
        counted(services.len(), "service"),
        counted(errors, "error"),
        seconds(to_seconds(scale.duration)),
    )
}

/// What failed spans said.
fn errors(spans: &[Span]) -> String {
    let said = |span: &Span| span.status_message.clone().filter(|message| !message.is_empty());
    spans
        .iter()
        .filter(|span| span.is_error())
        .filter_map(|span| Some((span, said(span)?)))
        .map(|(span, message)| format!("✗ {} ({}): {}", cell(&span.name), cell(&span.id), cell(&message)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn cell(text: &str) -> String {
    Cell::plain(text).text
}

#[expect(clippy::cast_precision_loss, reason = "for people, to three digits")]
fn to_seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// A number, or its text: OTLP's JSON writes 64-bit integers as text.
fn nanos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Nanos {
        Number(u64),
        Text(String),
    }
    match Nanos::deserialize(deserializer)? {
        Nanos::Number(nanos) => Ok(nanos),
        Nanos::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests;
