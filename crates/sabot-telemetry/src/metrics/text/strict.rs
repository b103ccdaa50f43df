//! A reader of the exposition formats that forgives nothing, for tests.
//!
//! It follows the `OpenMetrics` 1.0 specification and the description of Prometheus text 0.0.4, for the kinds of metrics
//! there are here.

use std::collections::BTreeSet;

use super::Format;

/// Most characters of an exemplar's label names and values together.
const MAX_EXEMPLAR_CHARS: usize = 128;

#[derive(Debug)]
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    metadata: BTreeSet<&'a str>,
    has_samples: bool,
}

/// Panics, naming the line, when the text is not what a strict scraper takes.
pub(super) fn check(text: &str, format: Format) {
    let body = match format {
        Format::Prometheus => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").expect("the end is marked"),
    };
    assert!(body.is_empty() || body.ends_with('\n'), "the last line ends");
    let mut family: Option<Family<'_>> = None;
    let (mut seen, mut series) = (BTreeSet::new(), BTreeSet::new());
    let mut buckets: Vec<(String, f64)> = Vec::new();
    for line in body.lines() {
        if let Some(metadata) = line.strip_prefix("# ") {
            let (keyword, rest) = metadata.split_once(' ').expect(line);
            let (name, value) = rest.split_once(' ').expect(line);
            if family.as_ref().is_none_or(|family| family.name != name) {
                assert!(seen.insert(name), "a family is in one piece: {line}");
                check_name(name, ":", line);
                family = Some(Family { name, kind: "", metadata: BTreeSet::new(), has_samples: false });
            }
            let family = family.as_mut().expect("one was just begun");
            assert!(!family.has_samples && family.metadata.insert(keyword), "{line}");
            check_metadata(family, keyword, value, format, line);
        } else {
            let family = family.as_mut().expect(line);
            assert!(!family.kind.is_empty() && family.metadata.contains("HELP"), "metadata comes first: {line}");
            family.has_samples = true;
            let sample = check_sample(family, line, format);
            assert!(series.insert(sample.series.clone()), "a series is there once: {line}");
            check_cumulative(&mut buckets, &sample, line);
        }
    }
}

fn check_metadata<'a>(family: &mut Family<'a>, keyword: &str, value: &'a str, format: Format, line: &str) {
    match keyword {
        "TYPE" => {
            assert!(
                ["counter", "gauge", "histogram"].contains(&value)
                    || (value == "info" && format == Format::OpenMetrics),
                "{line}"
            );
            family.kind = value;
        }
        "UNIT" => {
            assert!(format == Format::OpenMetrics && !value.is_empty(), "{line}");
            assert!(family.name.strip_suffix(value).is_some_and(|stem| stem.ends_with('_')), "{line}");
        }
        "HELP" => drop(unescape(value, format == Format::OpenMetrics, line)),
        _ => panic!("{line}"),
    }
}

struct Sample {
    name: String,
    series: String,
    le: Option<f64>,
    /// It is a histogram's `_count`.
    counts_observations: bool,
    value: f64,
}

fn check_sample(family: &Family<'_>, line: &str, format: Format) -> Sample {
    let name_end = line.find(['{', ' ']).expect(line);
    let (name, rest) = line.split_at(name_end);
    let suffix = name.strip_prefix(family.name).expect(line);
    let allowed: &[&str] = match (family.kind, format) {
        ("counter", Format::OpenMetrics) => &["_total"],
        ("info", _) => &["_info"],
        ("histogram", _) => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    assert!(allowed.contains(&suffix), "{line}");
    let (labels, rest) = labels(rest, line);
    let mut rest = rest.strip_prefix(' ').expect(line);
    if let Some((before, exemplar)) = rest.split_once(" # ") {
        assert!(format == Format::OpenMetrics && ["_bucket", "_total"].contains(&suffix), "{line}");
        check_exemplar(exemplar, line);
        rest = before;
    }
    let value = number(rest, line);
    assert!(family.kind != "counter" || value >= 0.0, "{line}");
    let le = labels.iter().find(|(name, _)| name == "le").map(|(_, le)| number(le, line));
    assert_eq!(le.is_some(), suffix == "_bucket", "{line}");
    let others: Vec<_> = labels.into_iter().filter(|(name, _)| name != "le").collect();
    let series = format!("{name}{others:?}{le:?}");
    let name = format!("{}{others:?}", family.name);
    Sample { name, series, le, counts_observations: suffix == "_count", value }
}

/// Buckets ascend in bound and count, the last one is infinite, and its count is that of the histogram.
fn check_cumulative(buckets: &mut Vec<(String, f64)>, sample: &Sample, line: &str) {
    match sample.le {
        Some(le) => {
            let before = buckets.last().filter(|(name, _)| *name == sample.name);
            assert!(before.is_none_or(|(_, count)| *count <= sample.value), "{line}");
            buckets.push((sample.name.clone(), sample.value));
            if le.is_infinite() {
                buckets.push((format!("{} closed", sample.name), sample.value));
            }
        }
        None if sample.counts_observations => {
            let closed = (format!("{} closed", sample.name), sample.value);
            assert_eq!(buckets.last(), Some(&closed), "{line}");
        }
        None => {}
    }
}

fn check_exemplar(exemplar: &str, line: &str) {
    let (labels, rest) = labels(exemplar, line);
    let chars: usize = labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    assert!(chars <= MAX_EXEMPLAR_CHARS, "{line}");
    let mut numbers = rest.strip_prefix(' ').expect(line).split(' ');
    assert!(number(numbers.next().expect(line), line).is_finite());
    assert!(numbers.next().is_none_or(|at| number(at, line) > 0.0) && numbers.next().is_none(), "{line}");
}

/// Label names and values, and what stands behind them.
fn labels<'a>(text: &'a str, line: &str) -> (Vec<(String, String)>, &'a str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (Vec::new(), text) };
    let mut labels: Vec<(String, String)> = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect(line);
        check_name(name, "", line);
        assert!(!name.starts_with("__"), "reserved: {line}");
        assert!(labels.iter().all(|(other, _)| other != name), "{line}");
        let mut escaped = false;
        let end = after.char_indices().find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let (value, after) = after.split_at(end.expect(line).0);
        labels.push((name.to_owned(), unescape(value, true, line)));
        match after.strip_prefix("\",") {
            Some(more) => rest = more,
            None => return (labels, after.strip_prefix("\"}").expect(line)),
        }
    }
}

fn unescape(text: &str, quotes: bool, line: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(match chars.next().expect(line) {
                'n' => '\n',
                c if c == '\\' || (quotes && c == '"') => c,
                other => panic!("\\{other} in {line}"),
            }),
            '"' if quotes => panic!("a bare quote in {line}"),
            other => plain.push(other),
        }
    }
    plain
}

fn number(text: &str, line: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        plain => {
            assert!(!plain.to_lowercase().contains(['i', 'n']), "{line}");
            plain.parse().expect(line)
        }
    }
}

fn check_name(name: &str, also: &str, line: &str) {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || also.contains(c);
    assert!(name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(valid), "{line}");
}
