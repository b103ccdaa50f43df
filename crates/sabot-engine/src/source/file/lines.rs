//! Lines of a text file, none longer than asked for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

/// Longest line, or CSV record, that is read as one; a longer one is a dead letter.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 20;
/// Read at a time to count lines.
const COUNTED_BYTES: usize = 256 << 10;
/// What some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A text file being read line by line, without its byte order mark.
pub(super) struct Lines<R = BufReader<File>> {
    reader: R,
    /// Lines read.
    number: u64,
    /// Bytes read.
    offset: u64,
    /// The file, for messages.
    name: String,
}

/// How many lines a file has: about as many as it has rows, which is near enough to spread them over a time.
pub(super) fn count(path: &Path) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut reader = BufReader::with_capacity(COUNTED_BYTES, File::open(path).map_err(failed)?);
    let mut lines = 0;
    loop {
        let bytes = reader.fill_buf().map_err(failed)?;
        if bytes.is_empty() {
            return Ok(lines);
        }
        lines += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        let read = bytes.len();
        reader.consume(read);
    }
}

/// A place between two lines, to come back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    number: u64,
    offset: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        Self::new(BufReader::new(file), name)
    }
}

impl<R: BufRead + Seek> Lines<R> {
    pub(super) fn new(reader: R, name: String) -> Result<Self, String> {
        let mut lines = Self { reader, number: 0, offset: 0, name };
        let mut start = Vec::new();
        let read = lines.reader.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start);
        read.map_err(|error| lines.failed(&error))?;
        lines.offset = start.len() as u64;
        if start != BYTE_ORDER_MARK {
            lines.rewind(Mark { number: 0, offset: 0 })?;
        }
        Ok(lines)
    }

    /// How many lines have been read.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes have been read.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark { number: self.number, offset: self.offset }
    }

    /// Goes back to a place passed before.
    pub(super) fn rewind(&mut self, mark: Mark) -> Result<(), String> {
        // Relative: a reader keeps what it has buffered, and most marks are in it.
        let by = mark.offset.wrapping_sub(self.offset).cast_signed();
        self.reader.seek_relative(by).map_err(|error| self.failed(&error))?;
        (self.number, self.offset) = (mark.number, mark.offset);
        Ok(())
    }

    /// Appends the next line with its end to `out`, but no more than `most` bytes of it, at least one. Returns the
    /// line's full length, all of which is passed; none at the end of the file.
    pub(super) fn read(&mut self, most: usize, out: &mut Vec<u8>) -> Result<Option<u64>, String> {
        let most = most.max(1) as u64;
        let read = self.reader.by_ref().take(most).read_until(b'\n', out);
        let mut bytes = read.map_err(|error| self.failed(&error))? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        if bytes == most && out.last() != Some(&b'\n') {
            bytes += self.reader.skip_until(b'\n').map_err(|error| self.failed(&error))? as u64;
        }
        self.number += 1;
        self.offset += bytes;
        Ok(Some(bytes))
    }

    fn failed(&self, error: &std::io::Error) -> String {
        format!("{}:{}: {error}", self.name, self.number + 1)
    }
}

/// A line without its end: `\n` or `\r\n`.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
