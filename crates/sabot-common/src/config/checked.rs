//! Values with a range, checked where they are read, so that an error can name the place.

use std::fmt::Display;
use std::path::{Component, Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::name::Name;
use crate::units::{Size, Span};

/// Names that mean something else in the API's paths (`/agents/validate`).
const NOT_AGENTS: [&str; 1] = ["validate"];
/// Where a project's data is kept unless `--data-dir` says otherwise.
const DATA_DIR: &str = ".sabot";

/// The value, if `holds`; otherwise an error that says what it should be.
fn checked<'de, D, T>(deserializer: D, holds: impl Fn(&T) -> bool, rule: &str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Display,
{
    let value = T::deserialize(deserializer)?;
    if holds(&value) { Ok(value) } else { Err(D::Error::custom(format!("{value} is not {rule}"))) }
}

/// A share, 0 to 1.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    checked(deserializer, |share| (0.0..=1.0).contains(share), "between 0 and 1")
}

/// Most that a budget may be: 16 TiB in MiB. More is a slip of the pen, and would not fit where bytes are counted.
const MAX_MEMORY_MB: u64 = 16 << 20;

/// A budget in MiB.
pub(super) fn memory_mb<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    checked(deserializer, |mb| (64..=MAX_MEMORY_MB).contains(mb), "between 64 and 16777216")
}

/// Partitions of a stream.
pub(super) fn partitions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    checked(deserializer, |count| (1..=1_024).contains(count), "between 1 and 1024")
}

/// Partitions of a stream, or as many as something else has.
pub(super) fn optional_partitions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    partitions(deserializer).map(Some)
}

/// A count of something that there has to be.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    checked(deserializer, |count| *count > 0, "at least 1")
}

/// Parallel instances of an agent.
pub(super) fn instances<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    checked(deserializer, |count| (1..=64).contains(count), "between 1 and 64")
}

/// A duration that passes.
pub(super) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    checked(deserializer, |span: &Span| !span.0.is_zero(), "longer than 0")
}

/// A size with something in it.
pub(super) fn some_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    checked(deserializer, |size: &Size| size.0 > 0, "more than 0")
}

/// The name of a user's metric. A colon is for recording rules, and what begins like ours is ours.
pub(super) fn metric_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.starts_with("sabot_") {
        return Err(D::Error::custom(format!("metric \"{name}\": names with sabot_ in front are Sabot's own")));
    }
    if is_label(&name) { Ok(name) } else { Err(D::Error::custom(not_of_prometheus("metric", &name))) }
}

/// Columns that become labels.
pub(super) fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let labels = Vec::<String>::deserialize(deserializer)?;
    match labels.iter().find(|label| !is_label(label) || label.starts_with("__")) {
        Some(label) => Err(D::Error::custom(not_of_prometheus("label", label))),
        None => Ok(labels),
    }
}

fn is_label(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn not_of_prometheus(kind: &str, name: &str) -> String {
    format!("{kind} \"{name}\" is no name for Prometheus: it takes letters, digits and _, and begins with no digit")
}

/// The name of an agent.
pub(super) fn agent_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    let name = Name::deserialize(deserializer)?;
    if NOT_AGENTS.contains(&name.as_str()) {
        return Err(D::Error::custom(format!(
            "an agent cannot be called \"{name}\": the API has /agents/{name} for something else; choose another name"
        )));
    }
    Ok(name)
}

/// A file an agent writes: inside the project, and not among its data.
pub(super) fn output_file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let file = PathBuf::deserialize(deserializer)?;
    match problem_with_output(&file) {
        Some(problem) => Err(D::Error::custom(format!("output file \"{}\" {problem}", file.display()))),
        None => Ok(Some(file)),
    }
}

fn problem_with_output(file: &Path) -> Option<&'static str> {
    let mut parts = file.components().filter(|part| *part != Component::CurDir).peekable();
    if parts.peek().is_some_and(|first| first.as_os_str() == DATA_DIR) {
        return Some("is in .sabot, where Sabot keeps its data; choose another directory of the project");
    }
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Some("leads out of the project; write a path relative to the project's directory, without ..");
    }
    file.file_name().is_none().then_some("names no file")
}
