//! Every sample, and what they come to.

use std::fmt;

use serde_json::{Value, json};

use crate::machine::Machine;

/// Version of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    suite: &'static str,
    name: String,
    unit: &'static str,
    better: Better,
}

impl Series {
    /// A series without a unit yet.
    pub(crate) const fn new(suite: &'static str, name: String) -> Self {
        Self { suite, name, unit: "1", better: Better::Higher }
    }

    /// The same with a unit, and which way is better.
    pub(crate) fn unit(self, unit: &'static str, better: Better) -> Self {
        Self { unit, better, ..self }
    }
}

/// Aims that were set before anything was measured: the end of a series' name, and its bound.
const AIMS: [(&str, f64); 5] = [
    ("ratio.cpu", 0.7),
    ("ratio.wall", 0.7),
    ("written_per_output", 1.3),
    ("fsync_rounds", 2.0),
    ("overhead.cpu", 3.0),
];

/// All samples of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    results: Vec<(Series, Vec<f64>)>,
}

impl Report {
    pub(crate) const fn new(machine: Machine) -> Self {
        Self { machine, results: Vec::new() }
    }

    /// Adds a sample.
    pub(crate) fn add(&mut self, series: Series, sample: f64) {
        match self.results.iter_mut().find(|(known, _)| *known == series) {
            Some((_, samples)) => samples.push(sample),
            None => self.results.push((series, vec![sample])),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let result = |(series, samples): &(Series, Vec<f64>)| {
            json!({
                "suite": series.suite,
                "name": series.name,
                "unit": series.unit,
                "higher_is_better": series.better == Better::Higher,
                "samples": samples,
                "median": quantile(samples, 0.5),
                "p95": quantile(samples, 0.95),
            })
        };
        json!({
            "schema_version": SCHEMA_VERSION,
            "machine": self.machine.to_json(),
            "versions": self.machine.versions(),
            "git_commit": self.machine.git_commit,
            "started_at": self.machine.started_at.to_string(),
            "results": self.results.iter().map(result).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, kernel, git_commit, started_at, .. } = &self.machine;
        writeln!(f, "{cpu}, {cores} cores, Linux {kernel}; commit {git_commit}; {started_at}\n")?;
        writeln!(f, "{:<10} {:<42} {:>10} {:>10} {:>10} {:<18} aim", "suite", "name", "median", "min", "max", "unit")?;
        for (series, samples) in &self.results {
            let numbers = [0.5, 0.0, 1.0].map(|q| number(quantile(samples, q)));
            let [median, min, max] = &numbers;
            let Series { suite, name, unit, .. } = series;
            let aim = aim(series, quantile(samples, 0.5));
            writeln!(f, "{suite:<10} {name:<42} {median:>10} {min:>10} {max:>10} {unit:<18} {aim}")?;
        }
        Ok(())
    }
}

/// The aim of a series and whether its median meets it.
fn aim(series: &Series, median: f64) -> String {
    let Some((_, bound)) = AIMS.iter().find(|(end, _)| series.name.ends_with(end)) else { return String::new() };
    let (sign, met) = match series.better {
        Better::Higher => ('≥', median >= *bound),
        Better::Lower => ('≤', median <= *bound),
    };
    format!("{sign} {bound} {}", if met { "met" } else { "missed" })
}

/// Four digits that count, large ones in thousands (k), millions (M) or billions (G).
fn number(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e5 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let decimals = match scaled.abs() {
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{scaled:.decimals$}{suffix}")
}

/// The value below which a share of the samples lies, linear between neighbours. NaN without samples.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions in a short list"
)]
fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = share * sorted.len().saturating_sub(1) as f64;
    let at = |index: f64| sorted.get(index as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(position.floor()), at(position.ceil()));
    low + (high - low) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::{Better, Report, Series, aim, number, quantile};
    use crate::machine::Machine;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let samples = [4.0, 1.0, 3.0, 2.0];
        let found: Vec<f64> = [0.0, 0.5, 1.0].iter().map(|share| quantile(&samples, *share)).collect();
        assert_eq!(found, [1.0, 2.5, 4.0]);
    }

    #[test]
    fn numbers_keep_four_digits() {
        let shown: Vec<String> =
            [0.7123, 12.345, 99_000.0, 123_456.0, 297_123_456.0].iter().map(|n| number(*n)).collect();
        assert_eq!(shown, ["0.712", "12.35", "99000.0", "123.5k", "297.1M"]);
    }

    #[test]
    fn samples_of_one_series_stay_together_and_are_held_against_its_aim() {
        let series = || Series::new("join", "lookup_join.ratio.cpu".to_owned()).unit("ratio", Better::Higher);
        let mut report = Report::new(Machine::look());
        for sample in [0.6, 0.9, 0.8] {
            report.add(series(), sample);
        }
        let json = report.to_json();
        let result = json.pointer("/results/0").expect("one result");
        assert_eq!(
            (&result["samples"], &result["median"]),
            (&serde_json::json!([0.6, 0.9, 0.8]), &serde_json::json!(0.8))
        );
        assert!(json.pointer("/results/1").is_none());
        assert_eq!((aim(&series(), 0.8), aim(&series(), 0.6)), ("≥ 0.7 met".to_owned(), "≥ 0.7 missed".to_owned()));
    }
}
