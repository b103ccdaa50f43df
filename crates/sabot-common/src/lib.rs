//! What every other Sabot crate shares: time, names, units, project files, and the registry of telemetry names.
//!
//! Tiny on purpose. Nothing here knows streams at work, storage or HTTP; it is the vocabulary they agree on.
//!
//! - [`clock`]: the only place that reads the machine's clock; everything else is handed a [`clock::Clock`].
//! - [`units`]: durations, byte sizes and counts as people write and read them.
//! - [`name`]: the rule for names of streams, tables and agents.
//! - [`config`]: the files of a project, parsed strictly into types that cannot be wrong.
//! - [`registry`]: every metric and span name Sabot emits.
//!
//! ```
//! use sabot_common::units::parse_duration;
//! assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5400);
//! ```

pub mod clock;
pub mod config;
pub mod name;
pub mod registry;
pub mod suggest;
pub mod units;
