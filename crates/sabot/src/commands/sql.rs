//! `sql`: one query, its rows on stdout, its size and time on stderr.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::SqlArgs;
use crate::client::{Asked, Client};
use crate::error::CliError;
use crate::output::{Printer, counted, is_numeric_type};

/// The longest query read from stdin.
const MAX_QUERY_BYTES: u64 = 1 << 20;
/// What we wait beyond the query's own timeout, so that the server is the one to give up.
const GRACE: Duration = Duration::from_secs(5);

pub(super) fn run(args: &SqlArgs, client: Client<'_>, printer: &Printer) -> Result<(), CliError> {
    let query = if args.query == "-" { from_stdin()? } else { args.query.clone() };
    if query.trim().is_empty() {
        return Err(CliError::usage("the query is empty"));
    }
    let timeout_ms = u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut request = json!({"query": query, "timeout_ms": timeout_ms});
    if let (Some(max_rows), Some(fields)) = (args.max_rows, request.as_object_mut()) {
        fields.insert("max_rows".to_owned(), max_rows.into());
    }
    let client = client.with_timeout(args.timeout.saturating_add(GRACE));
    let (answer, rows) = client.rows(&["sql"], Asked::Post(&request))?;
    printer.show_rows_under(&rows, &columns(&answer))?;
    report(&answer, rows.len(), args.max_rows, printer);
    Ok(())
}

fn from_stdin() -> Result<String, CliError> {
    let unreadable = |error: std::io::Error| CliError::usage(format!("query on stdin: {error}"));
    let mut query = String::new();
    std::io::stdin().lock().take(MAX_QUERY_BYTES + 1).read_to_string(&mut query).map_err(unreadable)?;
    if query.len() as u64 > MAX_QUERY_BYTES {
        return Err(CliError::usage(format!("query on stdin: longer than {MAX_QUERY_BYTES} bytes")));
    }
    Ok(query)
}

/// Names, and whether they hold numbers.
fn columns(answer: &Value) -> Vec<(String, bool)> {
    let text = |column: &Value, key: &str| column.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let columns = answer.get("columns").and_then(Value::as_array).into_iter().flatten();
    columns.map(|column| (text(column, "name"), is_numeric_type(&text(column, "type")))).collect()
}

/// Rows the server gives when nothing is said.
const DEFAULT_MAX_ROWS: u64 = 10_000;

fn report(answer: &Value, rows: usize, max_rows: Option<u64>, printer: &Printer) {
    let elapsed_ms = answer.get("elapsed_ms").and_then(Value::as_f64).unwrap_or_default();
    printer.note(&format!("({}, {elapsed_ms:.0} ms)", counted(rows, "row")));
    if answer.get("truncated").and_then(Value::as_bool).unwrap_or_default() {
        let most = max_rows.unwrap_or(DEFAULT_MAX_ROWS);
        let shown = counted(rows, "row");
        printer.warn(&if rows as u64 >= most {
            format!("there are more than {rows} rows; raise --max-rows to see them")
        } else {
            format!("there are more than the {shown} that fit into one answer; ask for fewer columns, or for a part at a time")
        });
    }
}
