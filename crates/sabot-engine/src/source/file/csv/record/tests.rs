//! Records against the `csv` crate where both have an answer, and against reading every line anew.

use std::cell::Cell;
use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::super::super::lines::Lines;
use super::{Batch, Record, Records};

/// A reader that counts what is taken from it.
struct Counted {
    inner: Cursor<Vec<u8>>,
    taken: Rc<Cell<usize>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + read);
        Ok(read)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.taken.set(self.taken.get() + bytes);
        self.inner.consume(bytes);
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

fn records(text: &str) -> Records<Counted> {
    counted(text, &Rc::default())
}

fn counted(text: &str, taken: &Rc<Cell<usize>>) -> Records<Counted> {
    let reader = Counted { inner: Cursor::new(text.as_bytes().to_vec()), taken: Rc::clone(taken) };
    Records::new(Lines::new(reader, "test".to_owned()).expect("a reader"))
}

fn all(text: &str) -> Batch {
    let mut records = records(text);
    let mut batch = Batch::default();
    while records.read(&mut batch).expect("a record") {}
    batch
}

fn fields(record: Record<'_>) -> Vec<String> {
    record.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
}

/// Line, fields and whether it was given up.
type Outline = (u64, Vec<String>, bool);

fn outline(record: Record<'_>, lines_before: u64) -> Outline {
    (record.line() + lines_before, fields(record), record.problem().is_some())
}

/// Reads each record as if nothing had been read before it.
fn one_by_one(text: &str) -> Vec<Outline> {
    let (mut at, mut lines) = (0, 0);
    let mut found = Vec::new();
    loop {
        let mut rest = records(text.get(at..).expect("the start of a line"));
        let mut batch = Batch::default();
        if !rest.read(&mut batch).expect("a record") {
            return found;
        }
        found.extend(batch.records().map(|record| outline(record, lines)));
        at += usize::try_from(rest.lines.offset()).expect("small");
        lines += rest.lines.number();
    }
}

/// Short texts of the characters that matter.
fn texts() -> impl Iterator<Item = String> {
    let mut seed: u64 = 7;
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("small") % below
    };
    (0..20_000).map(move |_| {
        let parts = ["a", "b", ",", ",", "\"", "\"", "\"\"", "\n", "\n", "\r\n", " ", "é"];
        (0..next(24)).map(|_| parts[next(parts.len())]).collect()
    })
}

#[test]
fn fields_are_those_the_csv_crate_finds() {
    let mut compared = 0;
    for text in texts() {
        let ours = all(&text);
        if ours.records().any(|record| record.problem().is_some()) {
            continue;
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
        let theirs: Vec<Vec<String>> =
            reader.records().map(|record| record.expect("a record").iter().map(str::to_owned).collect()).collect();
        assert_eq!(ours.records().map(fields).collect::<Vec<_>>(), theirs, "{text:?}");
        compared += ours.len();
    }
    assert!(compared > 10_000, "{compared} records were compared");
}

#[test]
fn what_was_given_up_does_not_change_what_follows() {
    let mut given_up = 0;
    for text in texts() {
        let ours: Vec<Outline> = all(&text).records().map(|record| outline(record, 0)).collect();
        given_up += ours.iter().filter(|(_, _, problem)| *problem).count();
        assert_eq!(ours, one_by_one(&text), "{text:?}");
    }
    assert!(given_up > 1_000, "{given_up} records were given up");
}

#[test]
fn a_file_of_open_quotes_is_read_twice_and_not_once_per_line() {
    let text = "a\"b,\"c\n".repeat(2_000);
    let taken = Rc::default();
    let mut records = counted(&text, &taken);
    let mut batch = Batch::default();
    while records.read(&mut batch).expect("a record") {}
    assert_eq!(batch.records().filter(|record| record.problem().is_some()).count(), 2_000);
    assert!(taken.get() < 3 * text.len(), "{} of {} bytes", taken.get(), text.len());
}
