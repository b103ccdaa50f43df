//! How many relations a query reads once each WITH stands where it is used.
//!
//! Planning puts them there, so that thirty of them, each of which reads the one before twice, become a billion reads.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query, Visit, Visitor};

use crate::SqlError;

/// Reads of a query at most.
const MAX_READS: u64 = 1_000;

/// Refuses a statement that would read too much.
pub(crate) fn check(statement: &Statement) -> Result<(), SqlError> {
    let parsed = match statement {
        Statement::Explain(explain) => return check(&explain.statement),
        Statement::Statement(parsed) => parsed,
        _ => return Ok(()),
    };
    let mut expansion = Expansion { reads: vec![0], ..Expansion::default() };
    let ControlFlow::Continue(()) = Visit::visit(parsed.as_ref(), &mut expansion);
    if expansion.top() > MAX_READS {
        return Err(SqlError::Limit(format!(
            "the query reads more than {MAX_READS} relations once each WITH is put where it is used; split it"
        )));
    }
    Ok(())
}

#[derive(Default)]
struct Expansion {
    /// Names of WITH and what each reads. A name that is used again in another place counts as the last one of it.
    named: HashMap<String, u64>,
    /// Queries that have such a name and are still to be read, by where they are.
    definitions: HashMap<*const Query, String>,
    /// What the queries around the place read so far, the innermost last.
    reads: Vec<u64>,
}

impl Expansion {
    fn top(&self) -> u64 {
        self.reads.last().copied().unwrap_or(0)
    }

    fn add(&mut self, reads: u64) {
        if let Some(top) = self.reads.last_mut() {
            *top = top.saturating_add(reads);
        }
    }
}

impl Visitor for Expansion {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.definitions.insert(&raw const *cte.query, plain(&cte.alias.name));
        }
        self.reads.push(0);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        let reads = self.reads.pop().unwrap_or(0);
        match self.definitions.remove(&std::ptr::from_ref(query)) {
            Some(name) => {
                self.named.insert(name, reads);
            }
            None => self.add(reads),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Infallible> {
        let name =
            if let [ObjectNamePart::Identifier(name)] = relation.0.as_slice() { plain(name) } else { String::new() };
        self.add(self.named.get(&name).copied().unwrap_or(0).max(1));
        ControlFlow::Continue(())
    }
}

/// A name as DataFusion compares it: one without quotes in lower case.
fn plain(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use datafusion::config::Dialect;
    use datafusion::prelude::SessionContext;

    use super::check;
    use crate::SqlError;

    fn checked(sql: &str) -> Result<(), SqlError> {
        let statement = SessionContext::new().state().sql_to_statement(sql, &Dialect::default()).unwrap();
        check(&statement)
    }

    /// `n` steps, each of which reads the one before twice.
    fn doubling(steps: usize) -> String {
        let step = |n: usize| format!("s{} AS (SELECT * FROM S{n} UNION ALL SELECT * FROM \"s{n}\")", n + 1);
        let steps: Vec<_> = std::iter::once("s0 AS (SELECT 1 AS x)".to_owned()).chain((0..steps).map(step)).collect();
        format!("WITH {} SELECT * FROM s{}", steps.join(", "), steps.len() - 1)
    }

    #[test]
    fn what_doubles_again_and_again_is_refused() {
        assert_eq!(checked(&doubling(9)), Ok(()));
        for sql in [
            doubling(10),
            doubling(60),
            format!("EXPLAIN {}", doubling(200)),
            format!("SELECT * FROM ({})", doubling(20)),
        ] {
            assert!(matches!(checked(&sql), Err(SqlError::Limit(_))), "{sql}");
        }
    }

    #[test]
    fn steps_that_read_each_other_once_are_many() {
        let steps: Vec<_> = (1..150).map(|n| format!("s{n} AS (SELECT * FROM s{} JOIN t ON true)", n - 1)).collect();
        assert_eq!(checked(&format!("WITH s0 AS (SELECT 1), {} SELECT * FROM s149", steps.join(", "))), Ok(()));
    }
}
