//! YAML text to typed values: `${VAR:-default}` expanded, errors located.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::ConfigError;
use crate::suggest;

/// Parses one file's text. An empty or all-comment file is the type's `{}`.
pub(super) fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    let expanded = expand_variables(text).map_err(|(line, problem)| ConfigError {
        file: file.to_owned(),
        at: Some((line, 1)),
        problem,
    })?;
    let blank = expanded.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let source = if blank { "{}" } else { expanded.as_str() };
    serde_saphyr::from_str(source).map_err(|error| located(file, &error))
}

fn located(file: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let at = error.location().map(|l| (l.line(), l.column())).filter(|(line, _)| *line > 0);
    let plain = error.without_snippet().to_string();
    // The library ends its message with the place, which we print in front.
    let message = plain.split(" at line ").next().unwrap_or(&plain).trim_start_matches("error: ").trim();
    ConfigError { file: file.to_owned(), at, problem: with_hint(message) }
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

/// Replaces `${VAR}` and `${VAR:-default}`. A variable that is not set and has no default is an error with its line.
fn expand_variables(text: &str) -> Result<String, (u64, String)> {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let line_number = index as u64 + 1;
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            let comment = before.trim_start().starts_with('#');
            let (reference, tail) =
                after.split_once('}').ok_or_else(|| (line_number, "\"${\" without a closing \"}\"".to_owned()))?;
            out.push_str(before);
            out.push_str(&value_of(reference, comment).map_err(|problem| (line_number, problem))?);
            rest = tail;
        }
        out.push_str(rest);
    }
    Ok(out)
}

fn value_of(reference: &str, in_comment: bool) -> Result<String, String> {
    let (variable, default) = match reference.split_once(":-") {
        Some((variable, default)) => (variable, Some(default)),
        None => (reference, None),
    };
    match (std::env::var(variable).ok().filter(|v| !v.is_empty()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) if in_comment => Ok(String::new()),
        (None, None) => {
            Err(format!("environment variable {variable} is not set; give a default with ${{{variable}:-value}}"))
        }
    }
}
