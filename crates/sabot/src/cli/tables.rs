//! `sabot tables`.

use clap::{Args, Subcommand};

pub(super) const EXAMPLES: &str = "Examples:
  sabot tables list
  sabot tables get planes N14228
  sabot tables scan planes --limit 10";

/// Commands on tables.
#[derive(Debug, Subcommand)]
pub(crate) enum TablesCommand {
    /// List all tables
    #[command(after_help = "Examples:
  sabot tables list
  sabot tables list --format yaml")]
    List,
    /// Print the row of one key
    #[command(after_help = "Examples:
  sabot tables get planes N14228
  sabot tables get totals EWR,UA      a key of two columns")]
    Get {
        /// The table
        name: String,
        /// The key; parts of a composite key are separated by commas
        #[arg(allow_negative_numbers = true)]
        key: String,
    },
    /// Print rows in key order
    Scan(ScanArgs),
}

/// Flags of `tables scan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot tables scan planes
  sabot tables scan planes --limit 10 --format json")]
pub(crate) struct ScanArgs {
    /// The table
    pub(crate) name: String,
    /// Most rows to print
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}
