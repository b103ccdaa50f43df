//! The two text formats of metrics: Prometheus 0.0.4 and `OpenMetrics` 1.0.
//!
//! They differ in the metadata name of counters, in `# UNIT`, in escaping help, in exemplars and in `# EOF`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::family::{Entry, Family, Pairs, Series};
use super::sample::total;
use super::{Exemplar, Histogram};

/// Content type of [`Registry::prometheus_text`](super::Registry::prometheus_text).
pub const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Content type of [`Registry::openmetrics_text`](super::Registry::openmetrics_text).
pub const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

/// The text of all metrics, written by `Display`.
pub(super) struct Exposition<'a> {
    pub(super) families: &'a BTreeMap<String, Family>,
    /// What is said about the process.
    pub(super) target: &'a [(String, String)],
    pub(super) format: Format,
}

/// What the specification calls the metric about the process, and its family in `OpenMetrics`.
const TARGET: [&str; 2] = ["target_info", "target"];

impl fmt::Display for Exposition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A metric of the program's own by one of the names is as it is.
        if !self.target.is_empty() && !TARGET.iter().any(|name| self.families.contains_key(*name)) {
            write_target(f, self.format, self.target)?;
        }
        for (base, family) in self.families.iter().filter(|(_, family)| !family.is_empty()) {
            write_metadata(f, self.format, base, family)?;
            family.visit(|entry| write_series(f, self.format, base, family, &entry))?;
        }
        match self.format {
            Format::Prometheus => Ok(()),
            Format::OpenMetrics => f.write_str("# EOF\n"),
        }
    }
}

fn write_target(f: &mut fmt::Formatter<'_>, format: Format, target: &[(String, String)]) -> fmt::Result {
    let [metric, family] = TARGET;
    let (name, kind) = match format {
        Format::Prometheus => (metric, "gauge"),
        Format::OpenMetrics => (family, "info"),
    };
    let labels = Labels { pairs: Pairs::Open(target), le: None };
    writeln!(f, "# HELP {name} What is known about the process.\n# TYPE {name} {kind}\n{metric}{labels} 1")
}

fn write_metadata(f: &mut fmt::Formatter<'_>, format: Format, base: &str, family: &Family) -> fmt::Result {
    let (desc, kind) = (&family.desc, family.desc.kind.as_str());
    let help = Escaped { text: &desc.help, quotes: format == Format::OpenMetrics };
    match format {
        Format::Prometheus => writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}", name = desc.name),
        Format::OpenMetrics => {
            writeln!(f, "# TYPE {base} {kind}")?;
            let has_unit = base.strip_suffix(desc.unit.as_ref()).is_some_and(|stem| stem.ends_with('_'));
            if !desc.unit.is_empty() && has_unit {
                writeln!(f, "# UNIT {base} {}", desc.unit)?;
            }
            writeln!(f, "# HELP {base} {help}")
        }
    }
}

fn write_series(
    f: &mut fmt::Formatter<'_>,
    format: Format,
    base: &str,
    family: &Family,
    entry: &Entry<'_>,
) -> fmt::Result {
    let labels = Labels { pairs: entry.labels, le: None };
    match entry.series {
        Series::Counter(counter) => match format {
            Format::Prometheus => writeln!(f, "{}{labels} {}", family.desc.name, Number(counter.value())),
            Format::OpenMetrics => {
                write!(f, "{base}_total{labels} {}", Number(counter.value()))?;
                counter.exemplar().map_or(Ok(()), |exemplar| write_exemplar(f, &exemplar))?;
                f.write_char('\n')
            }
        },
        Series::Gauge(gauge) => writeln!(f, "{base}{labels} {}", Number(gauge.value())),
        Series::Histogram(histogram) => write_histogram(f, format, base, &labels, histogram),
    }
}

fn write_histogram(
    f: &mut fmt::Formatter<'_>,
    format: Format,
    base: &str,
    labels: &Labels<'_>,
    histogram: &Histogram,
) -> fmt::Result {
    let buckets = histogram.buckets();
    for bucket in &buckets {
        let labels = Labels { le: Some(bucket.le), ..*labels };
        write!(f, "{base}_bucket{labels} {}", bucket.count)?;
        match bucket.exemplar {
            Some(exemplar) if format == Format::OpenMetrics => write_exemplar(f, &exemplar)?,
            _ => {}
        }
        f.write_char('\n')?;
    }
    writeln!(f, "{base}_sum{labels} {}", Number(histogram.sum()))?;
    writeln!(f, "{base}_count{labels} {}", total(&buckets))
}

fn write_exemplar(f: &mut fmt::Formatter<'_>, exemplar: &Exemplar) -> fmt::Result {
    let (trace_id, span_id) = (exemplar.context.trace_id_hex(), exemplar.context.span_id_hex());
    let (seconds, millis) = (exemplar.at_unix_nano / 1_000_000_000, exemplar.at_unix_nano / 1_000_000 % 1_000);
    let value = Number(exemplar.value);
    write!(f, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {value} {seconds}.{millis:03}")
}

struct Labels<'a> {
    pairs: Pairs<'a>,
    le: Option<f64>,
}

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = '{';
        for (name, text) in self.pairs.iter() {
            write!(f, "{separator}{name}=\"{}\"", Escaped { text, quotes: true })?;
            separator = ',';
        }
        if let Some(le) = self.le {
            write!(f, "{separator}le=\"{}\"", Bound(le))?;
            separator = ',';
        }
        if separator == ',' { f.write_char('}') } else { Ok(()) }
    }
}

/// Text with backslashes and line feeds escaped, and quotes where asked for.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '"' if self.quotes => f.write_str("\\\""),
            other => f.write_char(other),
        })
    }
}

struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" })
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// A bucket bound as `OpenMetrics` wants it, `1.0` and not `1`; in both formats, so that series keep their identity.
struct Bound(f64);

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() { Number(self.0).fmt(f) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod strict;
#[cfg(test)]
mod tests;
