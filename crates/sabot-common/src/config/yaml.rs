//! YAML text to typed values: variables replaced, errors located and named by their key.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::ConfigError;
use super::tree::Tree;
use super::variables::{Environment, expand};
use crate::suggest;

/// Parses one file's text. An empty or all-comment file is the type's `{}`.
pub(super) fn parse<T: DeserializeOwned>(file: &Path, text: &str, variables: &Environment) -> Result<T, ConfigError> {
    let expanded = expand(text, variables).map_err(|unexpanded| ConfigError {
        file: file.to_owned(),
        at: Some(unexpanded.at),
        problem: unexpanded.problem,
    })?;
    let source = if is_blank(&expanded) { "{}" } else { expanded.as_str() };
    serde_saphyr::from_str(source).map_err(|error| located(file, source, &error))
}

/// Whether there is nothing in a file but comments.
pub(super) fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn located(file: &Path, source: &str, error: &serde_saphyr::Error) -> ConfigError {
    let at = error.location().map(|l| (l.line(), l.column())).filter(|(line, _)| *line > 0);
    let plain = error.without_snippet().to_string();
    // The library ends its message with the place, which we print in front.
    let message = plain.split(" at line ").next().unwrap_or(&plain).trim_start_matches("error: ").trim();
    let problem = match at.and_then(|at| Tree::of(source)?.value_at(at)) {
        Some((key, value)) => format!("{key}: {}", in_plain_words(message, value.as_deref())),
        None => with_hint(message),
    };
    ConfigError { file: file.to_owned(), at, problem }
}

/// What a library says about a value of the wrong type, with the value (none for a list) and what it should be.
pub(super) fn in_plain_words(message: &str, value: Option<&str>) -> String {
    let wanted = message.rsplit_once("expected ").or_else(|| message.split_once("invalid ")).map_or("", |(_, it)| it);
    let wanted = match wanted {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f64" | "floating point" => "a number",
        "boolean" | "a boolean" => "true or false",
        "IP address syntax" => "an IP address",
        "mapping start" => "a mapping of keys to values",
        "sequence start" => "a list",
        "string scalar" => "text",
        _ => return with_hint(message),
    };
    match value {
        Some(value) => format!("\"{value}\" is not {wanted}"),
        None => format!("a list is not {wanted}"),
    }
}

/// Adds the nearest valid spelling to "unknown field `x`, expected one of a, b".
fn with_hint(message: &str) -> String {
    let unknown = message.strip_prefix("unknown ").and_then(|rest| rest.split('`').nth(1));
    match (unknown, message.split_once("expected one of ")) {
        (Some(unknown), Some((_, known))) => {
            format!("{message}{}", suggest::hint(unknown, known.split(", ").map(|word| word.trim_matches('`'))))
        }
        _ if message.starts_with("duplicate mapping key") => {
            message.split(", set ").next().unwrap_or(message).to_owned()
        }
        _ => message.to_owned(),
    }
}
