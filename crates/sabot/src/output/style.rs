//! Tones: what colour means, and whether it is used.

use comfy_table::Color;

/// What a piece of text means to its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
    /// In the background.
    Dim,
}

impl Tone {
    /// The tone of a status word.
    pub(crate) fn of_status(status: &str) -> Self {
        match status {
            "running" | "finished" | "ok" | "healthy" | "ready" => Self::Good,
            "waiting" | "draining" | "disk_full" | "degraded" | "stopped" | "idle" => Self::Warn,
            "failed" | "error" | "unhealthy" => Self::Bad,
            _ => Self::Plain,
        }
    }

    /// The colour in a table's cell.
    pub(super) const fn color(self) -> Option<Color> {
        match self {
            Self::Plain => None,
            Self::Good => Some(Color::DarkGreen),
            Self::Warn => Some(Color::DarkYellow),
            Self::Bad => Some(Color::DarkRed),
            Self::Dim => Some(Color::DarkGrey),
        }
    }

    /// The terminal's code for it.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Dim => "90",
        }
    }
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    color: bool,
}

impl Style {
    /// Without colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { color: false };

    /// With colours.
    #[cfg(test)]
    pub(crate) const COLORED: Self = Self { color: true };

    /// Colours on a terminal, unless `NO_COLOR` is set to something or the terminal is a dumb one.
    pub(super) fn for_stream(is_terminal: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { color: is_terminal && !no_color && !dumb }
    }

    /// Whether colours are used.
    pub(super) const fn is_colored(self) -> bool {
        self.color
    }

    /// `text` in the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if self.color && tone != Tone::Plain { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
    }
}
