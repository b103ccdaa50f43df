//! Records against the `csv` crate where both have an answer, and against reading every line anew.

use std::cell::Cell;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::super::super::lines::Lines;
use super::{Batch, Record, Records};

/// A file that counts what is read from it.
struct Counted {
    inner: Cursor<Vec<u8>>,
    read: Rc<Cell<usize>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

type Counting = Records<BufReader<Counted>>;

fn records(text: &str) -> Counting {
    counted(text, &Rc::default())
}

fn counted(text: &str, read: &Rc<Cell<usize>>) -> Counting {
    let file = Counted { inner: Cursor::new(text.as_bytes().to_vec()), read: Rc::clone(read) };
    Records::new(Lines::new(BufReader::new(file), "test".to_owned()).expect("a reader"))
}

fn all(text: &str) -> Batch {
    all_of(records(text))
}

fn all_of(mut records: Counting) -> Batch {
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

fn of_width(mut records: Counting, width: usize) -> Counting {
    records.expect_fields(width);
    records
}

/// Reads each record as if nothing had been read before it.
fn one_by_one(text: &str, width: usize) -> Vec<Outline> {
    let (mut at, mut lines) = (0, 0);
    let mut found = Vec::new();
    loop {
        let mut rest = of_width(records(text.get(at..).expect("the start of a line")), width);
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
    let (mut given_up, mut whole) = (0, 0);
    for (number, text) in texts().enumerate() {
        let width = 1 + number % 4;
        let batch = all_of(of_width(records(&text), width));
        let ours: Vec<Outline> = batch.records().map(|record| outline(record, 0)).collect();
        given_up += ours.iter().filter(|(_, _, problem)| *problem).count();
        let good = batch.records().filter(|record| record.problem().is_none());
        for record in good.filter(|record| record.raw().trim_ascii_end().contains(&b'\n')) {
            assert_eq!(record.fields().count(), width, "a record of several lines in {text:?}");
            whole += 1;
        }
        assert_eq!(ours, one_by_one(&text, width), "{text:?} of width {width}");
    }
    assert!(given_up > 1_000 && whole > 500, "{given_up} records were given up, {whole} had several lines");
}

#[test]
fn a_file_of_open_quotes_is_read_twice_and_not_once_per_line() {
    let text = "a\"b,\"c\n".repeat(20_000);
    let read = Rc::default();
    let batch = all_of(of_width(counted(&text, &read), 2));
    assert_eq!(batch.records().filter(|record| record.problem().is_some()).count(), 20_000);
    assert!(read.get() < 3 * text.len(), "{} of {} bytes", read.get(), text.len());
}

fn check(text: &str, width: usize, expected: Expect) {
    let batch = all_of(of_width(records(text), width));
    let line = |record: Record<'_>| match record.problem() {
        Some(problem) => format!("{} bad: {problem}\n", record.line()),
        None => format!("{} {:?}\n", record.line(), fields(record)),
    };
    expected.assert_eq(&batch.records().map(line).collect::<String>());
}

#[test]
fn a_record_of_several_lines_with_other_fields_than_the_header_is_bad_as_a_whole() {
    check(
        "1,\"x\n2,y\n3,z\",\n4,\"u\nv\"\n",
        2,
        expect![[r#"
            1 bad: 3 fields where the header has 2 (lines 1 to 3)
            4 ["4", "u\nv"]
        "#]],
    );
    check(
        "1,2,\"a\nx\",y\"z,\"c\nd\"\n",
        3,
        expect![[r"
            1 bad: 5 fields where the header has 3 (lines 1 to 3)
        "]],
    );
}

#[test]
fn text_behind_a_closing_quote_is_bad() {
    check(
        "\"x\"y,1\n1,\"x\" \n\"x\"\"y\",2\nx\"y,\"\"\n",
        2,
        expect![[r#"
        1 bad: field 1 has text behind its closing quote; a quote inside quotes is written twice
        2 bad: field 2 has text behind its closing quote; a quote inside quotes is written twice
        3 ["x\"y", "2"]
        4 ["x\"y", ""]
    "#]],
    );
    check(
        "1,\"a\nb\",\"c\"d\n2,e\n",
        2,
        expect![[r#"
        1 bad: a quote is not closed: line 2, which would go on in it, has text behind a closing quote
        2 bad: field 2 has text behind its closing quote; a quote inside quotes is written twice
        3 ["2", "e"]
    "#]],
    );
}
