//! The page that is printed: numbered sections of aligned rows.

use std::io::{self, Write};

use sabot_telemetry::AttributeValue;

/// Columns of a row's label.
const LABEL: usize = 22;
/// Longest row; of a longer one the start is printed.
const WIDTH: usize = 120;

/// Something to print on.
#[derive(Debug)]
pub(crate) struct Page<W> {
    out: W,
    bold: bool,
    sections: usize,
}

impl<W: Write> Page<W> {
    /// With bold titles if it is for a terminal.
    pub(crate) fn new(out: W, is_terminal: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { out, bold: is_terminal && !no_color, sections: 0 }
    }

    /// Begins a section; `about` says what to look at.
    pub(crate) fn section(&mut self, title: &str, about: &str) -> io::Result<()> {
        self.sections += 1;
        let number = self.sections;
        let (on, off) = if self.bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let above = if number > 1 { "\n" } else { "" };
        writeln!(self.out, "{above}{number:>2}  {on}{title}{off} - {about}")
    }

    /// A row of what came out.
    pub(crate) fn row(&mut self, label: &str, value: impl AsRef<str>) -> io::Result<()> {
        self.line(format!("{label:<LABEL$} {}", value.as_ref()))
    }

    /// A row that is text of somebody else's, such as a line of a scrape.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        let text = text.as_ref().trim_end();
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => writeln!(self.out, "    {}…", text.get(..end).unwrap_or(text)),
            None => writeln!(self.out, "    {text}"),
        }
    }
}

/// A value of an attribute as people read it.
pub(crate) fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Str(text) => text.to_string(),
        AttributeValue::Int(number) => number.to_string(),
        AttributeValue::Float(number) => number.to_string(),
        AttributeValue::Bool(flag) => flag.to_string(),
        AttributeValue::List(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}
