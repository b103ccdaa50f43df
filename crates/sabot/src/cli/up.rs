//! `sabot up`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use sabot_common::units::Speed;

/// Flags of `up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sabot up examples/flights                   run a project; Ctrl-C drains and commits
  sabot up examples/flights --exit-when-idle  process everything, print a summary, exit
  sabot up examples/flights --speed 20s       replay the sources over twenty seconds
  sabot up                                    an empty project: only the telemetry backend")]
#[expect(clippy::struct_excessive_bools, reason = "one per flag")]
pub(crate) struct UpArgs {
    /// The project's directory; without one the project is empty
    pub(crate) dir: Option<PathBuf>,
    /// Port of the API and the UI; 0 takes any free one and prints it
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Address to listen on; anything but loopback needs --insecure
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,
    /// Where streams, tables and telemetry are kept [default: DIR/.sabot]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Serve the API without the UI
    #[arg(long)]
    pub(crate) no_ui: bool,
    /// Exit when every source is read to its end and every agent has committed; with 1 if one is stopped or waits
    #[arg(long)]
    pub(crate) exit_when_idle: bool,
    /// Delete what earlier runs left in the data directory first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// How fast files are replayed: max, a multiple of real time (3600x) or a total time (20s)
    #[arg(long)]
    pub(crate) speed: Option<Speed>,
    /// Allow listening beyond loopback without a token and TLS
    #[arg(long)]
    pub(crate) insecure: bool,
}
