//! Stdout and stderr: where a line goes, and what is at the other end.

use std::io::{IsTerminal, Write};

use super::Style;

/// Columns assumed where there is no terminal.
const PLAIN_WIDTH: usize = 100;

/// One of the process's two outputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sink {
    target: Target,
    is_terminal: bool,
    style: Style,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Stdout,
    Stderr,
}

impl Sink {
    pub(super) fn stdout() -> Self {
        Self::new(Target::Stdout, std::io::stdout().is_terminal())
    }

    pub(super) fn stderr() -> Self {
        Self::new(Target::Stderr, std::io::stderr().is_terminal())
    }

    fn new(target: Target, is_terminal: bool) -> Self {
        Self { target, is_terminal, style: Style::for_stream(is_terminal) }
    }

    /// Whether a person looks at it, and it can be drawn over.
    pub(super) const fn is_terminal(self) -> bool {
        self.is_terminal
    }

    /// How text on it is coloured.
    pub(super) const fn style(self) -> Style {
        self.style
    }

    /// Its columns.
    pub(super) fn width(self) -> usize {
        let width = if self.is_terminal { comfy_table::Table::new().width() } else { None };
        width.map_or(PLAIN_WIDTH, usize::from)
    }

    /// Writes text and a line break, at once.
    pub(super) fn write_line(self, text: &str) -> std::io::Result<()> {
        let write = |output: &mut dyn Write| writeln!(output, "{text}").and_then(|()| output.flush());
        match self.target {
            Target::Stdout => write(&mut std::io::stdout().lock()),
            Target::Stderr => write(&mut std::io::stderr().lock()),
        }
    }
}
