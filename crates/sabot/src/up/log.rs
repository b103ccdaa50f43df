//! Log lines on stderr, which do not tear the progress display.

use std::io;

use indicatif::ProgressBar;

use super::progress::Progress;
use crate::output::Printer;

/// Writes each event's line while nothing is drawn.
#[derive(Clone, Debug)]
pub(super) struct LogLines {
    printer: Printer,
    bar: Option<ProgressBar>,
}

impl LogLines {
    pub(super) fn new(printer: Printer, progress: &Progress) -> Self {
        Self { printer, bar: progress.bar() }
    }
}

impl io::Write for LogLines {
    /// One event comes in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(event);
        let write = || self.printer.log(line.trim_end());
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
