//! Records of a CSV file: lines split at commas, with quotes as in RFC 4180.
//!
//! A quote inside quotes is written twice, and behind the quote that closes a field the field ends: with text there, the
//! record is bad, as it is with more or fewer fields than the header. A quote in a field that does not begin with one is
//! text like any other.
//!
//! A field in quotes may span lines. So may anything behind a quote that somebody forgot to close, up to the end of the
//! file. A record of several lines is given up when it grows past [`MAX_RECORD_BYTES`], when the file ends, or when there
//! is text behind a closing quote, which most likely opens another line's field. Then its first line alone is bad, and
//! reading goes on with the next line. One whose quotes are closed as they should be is a record, and bad as a whole if
//! it has not the header's number of fields: its lines are no rows that anybody wrote.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::ops::Range;
use std::path::Path;

use super::super::lines::{Lines, MAX_RECORD_BYTES, without_end};

/// Records one after another in one buffer, so that none needs memory of its own.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Of each record its text as it stands in the file, and behind it, if it has quotes, its fields without them.
    text: Vec<u8>,
    /// Where each field is in `text`: start and end.
    bounds: Vec<(usize, usize)>,
    heads: Vec<Head>,
}

#[derive(Debug)]
struct Head {
    line: u64,
    raw: Range<usize>,
    bounds: Range<usize>,
    problem: Option<String>,
}

/// One record of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    batch: &'a Batch,
    head: &'a Head,
}

impl Batch {
    pub(super) const fn len(&self) -> usize {
        self.heads.len()
    }

    pub(super) const fn size_bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn get(&self, row: usize) -> Option<Record<'_>> {
        self.heads.get(row).map(|head| Record { batch: self, head })
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.heads.iter().map(|head| Record { batch: self, head })
    }

    /// Adds the record whose text begins at `raw` and ends the buffer, and which has no quotes.
    fn add_plain(&mut self, line: u64, raw: usize) {
        let first = self.bounds.len();
        let end = self.text.len();
        let mut start = raw;
        for field in without_end(self.text.get(raw..).unwrap_or_default()).split(|byte| *byte == b',') {
            self.bounds.push((start, start + field.len()));
            start += field.len() + 1;
        }
        self.heads.push(Head { line, raw: raw..end, bounds: first..self.bounds.len(), problem: None });
    }

    /// Adds the record whose text begins at `raw` and ends the buffer, with its fields.
    fn add_fields(&mut self, line: u64, raw: usize, fields: &Fields) {
        let (first, end) = (self.bounds.len(), self.text.len());
        self.text.extend_from_slice(&fields.bytes);
        self.bounds.extend(fields.bounds.iter().map(|(from, to)| (end + from, end + to)));
        self.heads.push(Head { line, raw: raw..end, bounds: first..self.bounds.len(), problem: None });
    }

    /// Makes the newest record, which ends with line `last`, a bad one unless it has this many fields.
    fn expect_fields(&mut self, width: usize, last: u64) {
        if let Some(head) = self.heads.last_mut()
            && head.problem.is_none()
            && head.bounds.len() != width
        {
            let lines = if head.line < last { format!(" (lines {} to {last})", head.line) } else { String::new() };
            head.problem = Some(format!("{} fields where the header has {width}{lines}", head.bounds.len()));
        }
    }

    /// Adds the record whose text begins at `raw` and ends the buffer as one that is bad.
    fn add_problem(&mut self, line: u64, raw: usize, problem: String) {
        let (at, end) = (self.bounds.len(), self.text.len());
        self.heads.push(Head { line, raw: raw..end, bounds: at..at, problem: Some(problem) });
    }
}

impl<'a> Record<'a> {
    /// The line it begins on, counted from 1.
    pub(super) const fn line(self) -> u64 {
        self.head.line
    }

    /// Its text as it stands in the file. Of a record that was given up, the first line.
    pub(super) fn raw(self) -> &'a [u8] {
        self.batch.text.get(self.head.raw.clone()).unwrap_or_default()
    }

    /// Why it is no row, whatever its values.
    pub(super) fn problem(self) -> Option<&'a str> {
        self.head.problem.as_deref()
    }

    /// A field's value.
    pub(super) fn get(self, index: usize) -> Option<&'a [u8]> {
        let (start, end) = *self.batch.bounds.get(self.head.bounds.clone())?.get(index)?;
        self.batch.text.get(start..end)
    }

    pub(super) fn fields(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.head.bounds.len()).filter_map(move |index| self.get(index))
    }
}

/// The records of a file. Empty lines are passed over.
pub(super) struct Records<R = BufReader<File>> {
    lines: Lines<R>,
    /// How many fields each must have.
    width: Option<usize>,
    /// Of the record with quotes that is being read.
    fields: Fields,
    given_up: Option<GivenUp>,
}

/// What is known from a record that was given up: whatever has an open quote at the start of a line up to `until` comes
/// to the same end, and need not be read again to find out. Without this a file of open quotes would be read once per
/// line.
struct GivenUp {
    until: u64,
    problem: String,
}

impl Records {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        Ok(Self::new(Lines::open(path)?))
    }
}

impl<R: BufRead + Seek> Records<R> {
    pub(super) const fn new(lines: Lines<R>) -> Self {
        Self { lines, width: None, fields: Fields::new(), given_up: None }
    }

    /// From here on a record that has not this many fields is bad.
    pub(super) const fn expect_fields(&mut self, width: usize) {
        self.width = Some(width);
    }

    /// Adds the next record to `batch`; false at the end of the file.
    pub(super) fn read(&mut self, batch: &mut Batch) -> Result<bool, String> {
        loop {
            let start = batch.text.len();
            let Some(bytes) = self.lines.read(MAX_RECORD_BYTES, &mut batch.text)? else { return Ok(false) };
            let line = self.lines.number();
            let raw = batch.text.get(start..).unwrap_or_default();
            if bytes > MAX_RECORD_BYTES as u64 {
                let problem = format!("a line of {bytes} bytes; the most is {MAX_RECORD_BYTES} (16 MiB)");
                batch.add_problem(line, start, problem);
            } else if without_end(raw).is_empty() {
                batch.text.truncate(start);
                continue;
            } else if raw.contains(&b'"') {
                self.quoted(line, start, batch)?;
            } else {
                batch.add_plain(line, start);
            }
            if let Some(width) = self.width {
                batch.expect_fields(width, self.lines.number());
            }
            return Ok(true);
        }
    }

    /// Adds the record that begins with the line at `start`, the last in the buffer, and goes on as long as a quote is
    /// open.
    fn quoted(&mut self, line: u64, start: usize, batch: &mut Batch) -> Result<(), String> {
        let (behind_first, first_end) = (self.lines.mark(), batch.text.len());
        self.fields.clear();
        let problem = match self.fields.add_line(batch.text.get(start..).unwrap_or_default()) {
            Line::Last => None,
            Line::TextBehindQuote => {
                let field = self.fields.len() + 1;
                Some(format!("field {field} has text behind its closing quote; a quote inside quotes is written twice"))
            }
            Line::Open => {
                let problem = self.read_on(start, batch)?;
                if problem.is_some() {
                    self.lines.rewind(behind_first)?;
                    batch.text.truncate(first_end);
                }
                problem
            }
        };
        match problem {
            None => batch.add_fields(line, start, &self.fields),
            Some(problem) => batch.add_problem(line, start, problem),
        }
        Ok(())
    }

    /// Reads the rest of a record whose first line leaves a quote open; or why it is to be given up.
    fn read_on(&mut self, start: usize, batch: &mut Batch) -> Result<Option<String>, String> {
        loop {
            // Where the line that is read next begins in the file.
            let begins = self.lines.offset();
            if let Some(known) = self.given_up.as_ref().filter(|known| begins <= known.until) {
                return Ok(Some(known.problem.clone()));
            }
            let from = batch.text.len();
            let room = MAX_RECORD_BYTES.saturating_sub(from - start);
            let problem = match self.lines.read(room, &mut batch.text)? {
                None => "a quote is not closed".to_owned(),
                Some(bytes) if bytes > room as u64 => {
                    "a quote is not closed within 16 MiB, the most a record may have".to_owned()
                }
                Some(_) => match self.fields.add_line(batch.text.get(from..).unwrap_or_default()) {
                    Line::Last => return Ok(None),
                    Line::Open => continue,
                    Line::TextBehindQuote => {
                        let at = self.lines.number();
                        format!(
                            "a quote is not closed: line {at}, which would go on in it, has text behind a closing quote"
                        )
                    }
                },
            };
            self.given_up = Some(GivenUp { until: begins, problem: problem.clone() });
            return Ok(Some(problem));
        }
    }
}

/// How far a line brings a record.
enum Line {
    /// The record ends with it.
    Last,
    /// A quote is open at its end.
    Open,
    /// A quote is closed in it and the field does not end there.
    TextBehindQuote,
}

#[derive(Clone, Copy)]
enum State {
    /// In front of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote between quotes: the second of a pair, or the end.
    Closed,
}

/// Fields of a record with quotes, without them.
struct Fields {
    state: State,
    bytes: Vec<u8>,
    bounds: Vec<(usize, usize)>,
    start: usize,
}

impl Fields {
    const fn new() -> Self {
        Self { state: State::Start, bytes: Vec::new(), bounds: Vec::new(), start: 0 }
    }

    /// Makes room for another record in the same memory.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bounds.clear();
        (self.state, self.start) = (State::Start, 0);
    }

    /// How many have ended.
    const fn len(&self) -> usize {
        self.bounds.len()
    }

    fn add_line(&mut self, line: &[u8]) -> Line {
        let content = without_end(line);
        for byte in content {
            self.state = match (self.state, *byte) {
                (State::Quoted, b'"') => State::Closed,
                (State::Start, b'"') => State::Quoted,
                (State::Start | State::Plain | State::Closed, b',') => {
                    self.end_field();
                    State::Start
                }
                (State::Closed, other) if other != b'"' => return Line::TextBehindQuote,
                (State::Quoted | State::Closed, byte) => {
                    self.bytes.push(byte);
                    State::Quoted
                }
                (State::Start | State::Plain, byte) => {
                    self.bytes.push(byte);
                    State::Plain
                }
            };
        }
        if matches!(self.state, State::Quoted) {
            self.bytes.extend_from_slice(line.get(content.len()..).unwrap_or_default());
            return Line::Open;
        }
        self.end_field();
        Line::Last
    }

    fn end_field(&mut self) {
        self.bounds.push((self.start, self.bytes.len()));
        self.start = self.bytes.len();
    }
}

#[cfg(test)]
mod tests;
