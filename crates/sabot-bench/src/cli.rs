//! What can be typed.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};

use crate::error::BenchError;
use crate::workload::QUERIES;

/// Measures the spine against DataFusion and the disk in the same run.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "all")]
    pub(crate) suite: Vec<Suite>,
    /// Only these workloads of the spine, by name
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(QUERIES.map(|query| query.name)))]
    pub(crate) workload: Vec<String>,
    /// Measured rounds; every variant runs once in each
    #[arg(long, default_value_t = 5)]
    pub(crate) iterations: usize,
    /// Rounds before them that do not count
    #[arg(long, default_value_t = 2)]
    pub(crate) warmup: usize,
    /// Events in memory
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) events: usize,
    /// File for machine, versions and every sample, as JSON
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
    /// Directory on the disk to measure
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// The server whose start is measured
    #[arg(long, default_value = "target/release/sabot")]
    pub(crate) sabot: PathBuf,
}

/// A group of measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// All of them
    All,
    /// Queries over events in memory
    Spine,
    /// Rows to a stream on disk
    Durable,
    /// Start and idling of the server
    Process,
}

impl Cli {
    /// Whether a suite was asked for.
    pub(crate) fn wants(&self, suite: Suite) -> bool {
        self.suite.contains(&Suite::All) || self.suite.contains(&suite)
    }

    /// The directory to measure in, made when it does not exist.
    pub(crate) fn directory(&self) -> Result<&Path, BenchError> {
        std::fs::create_dir_all(&self.dir)?;
        Ok(&self.dir)
    }

    /// All rounds, and whether each counts.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = (usize, bool)> + use<> {
        let warmup = self.warmup;
        (0..warmup + self.iterations).map(move |round| (round, round >= warmup))
    }
}
