//! The only place that writes to stdout and stderr.
//!
//! Data goes to stdout, messages to stderr. With `--format json|yaml` stdout holds exactly one document. Colour is used
//! on a terminal only, and never carries anything that is not also said in words.

mod format;
mod metrics;
mod sink;
mod style;
mod table;
mod waterfall;

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::format::{Cell, Show, counted, is_numeric_type};
pub(crate) use self::metrics::metrics_table;
use self::sink::Sink;
pub(crate) use self::style::{Style, Tone};
pub(crate) use self::table::{Column, Grid, column, fields, list, part, sections};
use self::table::{data_table, record};
pub(crate) use self::waterfall::waterfall;
use crate::cli::{Format, Global};
use crate::error::CliError;
use crate::rows::Row;

/// Writes results and messages the way the global flags ask for.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    format: Format,
    quiet: bool,
    verbose: bool,
    out: Sink,
    err: Sink,
}

impl Printer {
    /// A printer for the process's own stdout and stderr.
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            format: global.format,
            quiet: global.quiet,
            verbose: global.verbose,
            out: Sink::stdout(),
            err: Sink::stderr(),
        }
    }

    /// How results are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether stdout is a terminal that can be redrawn.
    pub(crate) fn can_redraw(&self) -> bool {
        self.out.is_terminal()
    }

    /// Whether progress may be drawn over itself on stderr.
    pub(crate) fn can_draw_progress(&self) -> bool {
        self.err.is_terminal()
    }

    /// Whether messages are left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Columns of the terminal.
    pub(crate) fn width(&self) -> usize {
        self.out.width()
    }

    /// Columns of the terminal that messages go to.
    pub(crate) fn err_width(&self) -> usize {
        self.err.width()
    }

    /// How text on stdout is coloured.
    pub(crate) fn style(&self) -> Style {
        self.out.style()
    }

    /// How text on stderr is coloured.
    pub(crate) fn err_style(&self) -> Style {
        self.err.style()
    }

    /// A result: `document` for programs, or the table made of it for people, unless that is empty.
    pub(crate) fn show<T>(&self, document: &T, table: impl FnOnce(Style) -> String) -> Result<(), CliError>
    where
        T: Serialize + ?Sized,
    {
        if self.format != Format::Table {
            return self.document(document);
        }
        let text = table(self.out.style());
        if text.is_empty() { Ok(()) } else { self.text(&text) }
    }

    /// A list of things; that there are none is said on stderr, and is still a document for programs.
    pub(crate) fn show_list(&self, things: &str, items: &[Value], columns: &[Column]) -> Result<(), CliError> {
        if items.is_empty() {
            self.note(&format!("no {things}"));
        }
        self.show(items, |style| list(items, columns, style))
    }

    /// Rows of user data; that there are none is said on stderr.
    pub(crate) fn show_rows(&self, rows: &[Row]) -> Result<(), CliError> {
        if rows.is_empty() {
            self.note("no rows");
        }
        self.show_rows_under(rows, &table::columns_of(rows))
    }

    /// Rows of user data under known columns: names, and whether they hold numbers.
    pub(crate) fn show_rows_under(&self, rows: &[Row], columns: &[(String, bool)]) -> Result<(), CliError> {
        match self.format {
            Format::Yaml => self.document(&rows.iter().map(Row::to_value).collect::<Vec<_>>()),
            Format::Table | Format::Json => self.show(rows, |style| data_table(rows, columns, style)),
        }
    }

    /// One row of user data, a line per column.
    pub(crate) fn show_row(&self, row: &Row) -> Result<(), CliError> {
        match self.format {
            Format::Yaml => self.document(&row.to_value()),
            Format::Table | Format::Json => self.show(row, |style| record(row, style)),
        }
    }

    fn document(&self, document: &(impl Serialize + ?Sized)) -> Result<(), CliError> {
        let text = match self.format {
            Format::Yaml => serde_saphyr::to_string(&document).map_err(|error| CliError::failed(error.to_string()))?,
            _ => serde_json::to_string_pretty(document).map_err(|error| CliError::failed(error.to_string()))?,
        };
        self.text(text.trim_end())
    }

    /// Text on stdout, ended by one line break.
    pub(crate) fn text(&self, text: &str) -> Result<(), CliError> {
        self.out.write_line(text).map_err(|error| CliError::of_output(&error))
    }

    /// Text in place of everything on the terminal.
    pub(crate) fn redraw(&self, text: &str) -> Result<(), CliError> {
        const CLEAR_AND_HOME: &str = "\x1b[2J\x1b[H";
        self.text(&format!("{CLEAR_AND_HOME}{text}"))
    }

    /// A message for people.
    pub(crate) fn note(&self, message: &str) {
        if !self.quiet {
            self.stderr(message);
        }
    }

    /// Something that deserves attention but stops nothing.
    pub(crate) fn warn(&self, message: &str) {
        self.note(&format!("{} {message}", self.err.style().paint(Tone::Warn, "warning:")));
    }

    /// A message for people who asked for more of them.
    pub(crate) fn detail(&self, message: &str) {
        if self.verbose {
            self.stderr(message);
        }
    }

    /// A line of the log; which are written is for [`Self::log_filter`] to say.
    pub(crate) fn log(&self, line: &str) {
        self.stderr(line);
    }

    /// What the log tells when `--quiet` or `--verbose` say it; otherwise it is for the environment to say.
    pub(crate) const fn log_filter(&self) -> Option<&'static str> {
        match (self.quiet, self.verbose) {
            (true, _) => Some("error"),
            (_, true) => Some("info,sabot=debug"),
            _ => None,
        }
    }

    /// A failure and the way out of it.
    pub(crate) fn error(&self, error: &CliError) {
        if error.is_silent() {
            return;
        }
        self.stderr(&format!("{} {error}", self.err.style().paint(Tone::Bad, "error:")));
        if let Some(hint) = error.hint() {
            self.stderr(&format!("{} {hint}", self.err.style().paint(Tone::Good, "hint:")));
        }
    }

    fn stderr(&self, message: &str) {
        // A closed stderr leaves nowhere to say so.
        self.err.write_line(message).unwrap_or_default();
    }
}
