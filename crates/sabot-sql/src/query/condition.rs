//! A condition that is to stand inside another query.

use datafusion::sql::parser::DFParserBuilder;

use crate::SqlError;
use crate::depth::on_deep_stack;
use crate::planner::{check_depth, parser_dialect, session_config};

/// Checks that a text is one expression from its first to its last character: in brackets on lines of their own it cannot
/// end them, whatever comments and quotes it has. It is read by the parser and in the dialect that queries are read with.
///
/// ```
/// use sabot_sql::check_condition;
/// assert!(check_condition("price > 10 OR (name = ')')").is_ok());
/// assert!(check_condition("true) OR (true").is_err());
/// ```
pub fn check_condition(sql: &str) -> Result<(), SqlError> {
    check_depth(sql)?;
    on_deep_stack(|| {
        let dialect = parser_dialect()?;
        let recursion_limit = session_config().options().sql_parser.recursion_limit.get();
        let parsed = DFParserBuilder::new(sql)
            .with_dialect(dialect.as_ref())
            .with_recursion_limit(recursion_limit)
            .build()
            .and_then(|mut parser| parser.parse_into_expr())
            .map_err(|error| SqlError::planning(&error))?;
        match parsed.alias {
            None => Ok(()),
            Some(alias) => Err(invalid(&format!("a condition has no name, and {alias} is given as one; leave it out"))),
        }
    })
}

fn invalid(message: &str) -> SqlError {
    SqlError::Plan { message: message.to_owned(), at: None }
}
