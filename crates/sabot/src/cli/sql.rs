//! `sabot sql`.

use std::time::Duration;

use clap::Args;
use sabot_common::units::parse_duration;

/// Flags of `sql`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot sql 'SELECT origin, count(*) AS flights FROM flights GROUP BY origin'
  sabot sql 'SELECT * FROM delays' --max-rows 10 --format json
  sabot sql - < query.sql")]
pub(crate) struct SqlArgs {
    /// The query; - reads it from stdin
    pub(crate) query: String,
    /// Most rows to return [default: the server's limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_rows: Option<u64>,
    /// Give up after this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_timeout)]
    pub(crate) timeout: Duration,
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("a timeout is longer than 0".to_owned()),
        Ok(timeout) => Ok(timeout),
        Err(invalid) => Err(invalid.to_string()),
    }
}
