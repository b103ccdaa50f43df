//! What DataFusion and its parser say, in words for the author of a query.
//!
//! Their messages are recognised by their text, since that is all there is; what is not recognised is passed on.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

/// Line and column within the SQL text, counted from 1.
type Place = (u64, u64);

/// What the parser says, and where; none if it is not the parser that says it.
pub(super) fn of_parser(error: &DataFusionError) -> Option<(String, Option<Place>)> {
    let DataFusionError::SQL(error, _) = error.find_root() else { return None };
    let (ParserError::TokenizerError(text) | ParserError::ParserError(text)) = error.as_ref() else { return None };
    let placed = text.rsplit_once(" at Line: ").and_then(|(what, place)| Some((what, place_in(place)?)));
    let (what, at) = placed.map_or((text.as_str(), None), |(what, at)| (what, Some(at)));
    let message = match what.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, found the end of the text"),
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => lowercase_first(what),
    };
    Some((message, at))
}

/// Reads `1, Column: 8`.
fn place_in(text: &str) -> Option<Place> {
    let (line, column) = text.split_once(", Column: ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// DataFusion's message without its class prefix, the steps it came through and the hint at a backtrace.
pub(super) fn plain(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let known = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
    ];
    let mut message = text.rsplit_once("\ncaused by\n").map_or(text.as_str(), |(_, cause)| cause);
    while let Some(rest) = known.iter().find_map(|prefix| message.strip_prefix(prefix)) {
        message = rest;
    }
    // The name DataFusion gives to the call of a function in FROM.
    let message = message.trim_end_matches('.').replace("\"TUMBLE()\".", "").replace("TUMBLE().", "");
    reworded(&message).unwrap_or_else(|| {
        lowercase_first(
            &message
                .replace("?\nValid fields are", "? The columns are")
                .replace(".\nValid fields are", "; the columns are")
                .replace(".\nDid you mean", "; did you mean")
                .replace(". Did you mean", "; did you mean"),
        )
    })
}

fn reworded(message: &str) -> Option<String> {
    let known = ungrouped(message).or_else(|| no_function(message)).or_else(|| no_arithmetic(message));
    known.or_else(|| same_name(message)).or_else(|| {
        let several = "The context currently only supports a single SQL statement";
        (message == several).then(|| "there is more than one statement; write one".to_owned())
    })
}

fn ungrouped(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("While expanding wildcard, column \"")?;
    let (column, _) = rest.split_once("\" must appear in the GROUP BY clause")?;
    Some(format!("column \"{column}\" must be in GROUP BY or inside an aggregate function"))
}

/// A call with arguments of types a function does not take. DataFusion calls some of these bugs of its own.
fn no_function(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let (call, rest) = rest.split_once('\'')?;
    let (_, candidates) = rest.split_once("Candidate functions:")?;
    let candidates: Vec<&str> = candidates.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Some(format!("there is no {call}, only {}; CAST what does not fit", candidates.join(", ")))
}

fn no_arithmetic(message: &str) -> Option<String> {
    let expression = message.strip_prefix("Cannot coerce arithmetic expression ")?.strip_suffix(" to valid types")?;
    Some(format!("there is no {expression}; CAST what does not fit"))
}

/// DataFusion names an expression after its text without casts, and `max(CAST(a AS DOUBLE))` is `max(a)` then.
fn same_name(message: &str) -> Option<String> {
    if let Some((_, rest)) = message.split_once(" require unique expression names but the expression ") {
        let mut positions = rest.split(" at position ").skip(1).filter_map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(digits.parse::<usize>().ok()? + 1)
        });
        let (first, second) = (positions.next()?, positions.next()?);
        return Some(format!("columns {first} and {second} have the same name; give one of them another with AS"));
    }
    let ambiguous = message
        .strip_prefix("Schema contains qualified field name ")
        .and_then(|rest| rest.split_once(" and unqualified field name ")?.1.strip_suffix(" which would be ambiguous"));
    if let Some(name) = ambiguous {
        return Some(format!(
            "two columns are called {}; give one of them another name with AS",
            name.trim_matches('"')
        ));
    }
    let name = message.strip_prefix("Schema contains duplicate unqualified field name ")?;
    let name = name.trim_matches('"');
    Some(format!(
        "two expressions are both called {name}, as a cast is no part of the name; write more than a cast, such as CAST(… AS DOUBLE) + 0"
    ))
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

/// Our messages start in lower case; an acronym or name in capitals stays as it is.
fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
