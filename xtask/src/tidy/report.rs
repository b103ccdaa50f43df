//! What a check found: problems, which fail, and the distribution of sizes, which is for people to watch.

use std::fmt;

/// A rule broken at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The file.
    pub(crate) path: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong, with the limit or the way out.
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Everything a check found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    /// Lines of production code of each Rust file.
    pub(crate) files: Sizes,
    /// Lines of code of each function's body outside tests.
    pub(crate) functions: Sizes,
}

impl Report {
    /// Adds a problem.
    pub(crate) fn problem(&mut self, path: &str, line: usize, message: impl Into<String>) {
        self.problems.push(Problem { path: path.to_owned(), line, message: message.into() });
    }

    /// Whether no rule is broken.
    pub(crate) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Puts everything in an order that does not depend on the order of checks.
    pub(super) fn sort(&mut self) {
        self.problems.sort();
        self.files.0.sort();
        self.functions.0.sort();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        self.files.describe("files", Aim { p50: 140, p90: 350 }, f)?;
        self.functions.describe("functions", Aim { p50: 6, p90: 25 }, f)?;
        match self.problems.len() {
            0 => writeln!(f, "tidy"),
            1 => writeln!(f, "1 problem"),
            count => writeln!(f, "{count} problems"),
        }
    }
}

/// Sizes to aim at, in lines.
#[derive(Clone, Copy)]
struct Aim {
    p50: usize,
    p90: usize,
}

/// Sizes in lines, each with the place it was measured at.
#[derive(Debug, Default)]
pub(crate) struct Sizes(Vec<(usize, String)>);

impl Sizes {
    /// Adds one.
    pub(crate) fn add(&mut self, lines: usize, place: String) {
        self.0.push((lines, place));
    }

    /// The size that `percent` of all do not exceed, by nearest rank. Wants sorted sizes.
    pub(crate) fn percentile(&self, percent: usize) -> usize {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0, |(lines, _)| *lines)
    }

    fn describe(&self, what: &str, aim: Aim, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((longest, place)) = self.0.last() else { return Ok(()) };
        let (p50, p90) = (self.percentile(50), self.percentile(90));
        let above = if p50 > aim.p50 || p90 > aim.p90 { "above the aim of" } else { "within the aim of" };
        writeln!(
            f,
            "{} {what}: p50 {p50}, p90 {p90} lines, {above} {} and {}; longest {longest} at {place}",
            self.0.len(),
            aim.p50,
            aim.p90,
        )
    }
}
