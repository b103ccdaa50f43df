//! Records of a CSV file: lines split at commas, with quotes as in RFC 4180.
//!
//! A field in quotes may span lines. So may anything behind a quote that somebody forgot to close, up to the end of the
//! file. Such a record is given up when it grows past [`MAX_RECORD_BYTES`], when the file ends, or when its quote is
//! closed in the middle of a field (most likely by the quote that opens another line's field). Then its first line alone
//! is bad, and reading goes on with the next line.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::ops::Range;
use std::path::Path;

use super::super::lines::{Lines, MAX_RECORD_BYTES, Mark, without_end};

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

    /// Adds the record whose text begins at `raw` and ends the buffer as one that was given up.
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

    /// Why it was given up; it has no fields then.
    pub(super) fn problem(self) -> Option<&'a str> {
        self.head.problem.as_deref()
    }

    /// How many fields it has.
    pub(super) fn len(self) -> usize {
        self.head.bounds.len()
    }

    /// A field's value.
    pub(super) fn get(self, index: usize) -> Option<&'a [u8]> {
        let (start, end) = *self.batch.bounds.get(self.head.bounds.clone())?.get(index)?;
        self.batch.text.get(start..end)
    }

    pub(super) fn fields(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

/// The records of a file. Empty lines are passed over.
pub(super) struct Records<R = BufReader<File>> {
    lines: Lines<R>,
    /// Of the record with quotes that is being read.
    fields: Fields,
    given_up: Option<GivenUp>,
}

/// What is known from a record that was given up: whatever has an open quote at the start of a line up to `until` comes
/// to the same end, and need not be read again to find out. Without this a file of open quotes would be read once per
/// line.
#[derive(Clone)]
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
        Self { lines, fields: Fields::new(), given_up: None }
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
            return Ok(true);
        }
    }

    /// Adds the record that begins with the line at `start`, the last in the buffer, and goes on as long as a quote is
    /// open.
    fn quoted(&mut self, line: u64, start: usize, batch: &mut Batch) -> Result<(), String> {
        let (behind_first, first_end) = (self.lines.mark(), batch.text.len());
        self.fields.clear();
        let mut from = start;
        // Where the newest of its lines begins in the file.
        let mut begins = 0;
        let problem = loop {
            match self.fields.add_line(batch.text.get(from..).unwrap_or_default(), from > start) {
                Line::Last => {
                    batch.add_fields(line, start, &self.fields);
                    return Ok(());
                }
                Line::ClosedInside => {
                    let at = self.lines.number();
                    break format!("a quote is not closed: the next quote, in line {at}, has text behind it");
                }
                Line::Open => {}
            }
            from = batch.text.len();
            begins = self.lines.offset();
            if let Some(known) = self.given_up.as_ref().filter(|known| begins <= known.until) {
                break known.problem.clone();
            }
            let room = MAX_RECORD_BYTES.saturating_sub(from - start);
            match self.lines.read(room, &mut batch.text)? {
                None => break "a quote is not closed".to_owned(),
                Some(bytes) if bytes > room as u64 => {
                    break "a quote is not closed within 16 MiB, the most a record may have".to_owned();
                }
                Some(_) => {}
            }
        };
        self.give_up(behind_first, begins, &problem)?;
        batch.text.truncate(first_end);
        batch.add_problem(line, start, problem);
        Ok(())
    }

    fn give_up(&mut self, behind_first: Mark, until: u64, problem: &str) -> Result<(), String> {
        if self.given_up.as_ref().is_none_or(|known| known.until < until) {
            self.given_up = Some(GivenUp { until, problem: problem.to_owned() });
        }
        self.lines.rewind(behind_first)
    }
}

/// How far a line brings a record.
enum Line {
    /// The record ends with it.
    Last,
    /// A quote is open at its end.
    Open,
    /// The quote of an earlier line is closed in it, in the middle of a field.
    ClosedInside,
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

    fn add_line(&mut self, line: &[u8], opened_before: bool) -> Line {
        let content = without_end(line);
        let mut opened_before = opened_before;
        for byte in content {
            self.state = match (self.state, *byte) {
                (State::Quoted, b'"') => State::Closed,
                (State::Start, b'"') => State::Quoted,
                (State::Start | State::Plain | State::Closed, b',') => {
                    self.end_field();
                    opened_before = false;
                    State::Start
                }
                (State::Closed, other) if other != b'"' && opened_before => return Line::ClosedInside,
                (state, byte) => {
                    self.bytes.push(byte);
                    if matches!(state, State::Quoted) || (matches!(state, State::Closed) && byte == b'"') {
                        State::Quoted
                    } else {
                        State::Plain
                    }
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
