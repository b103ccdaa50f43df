//! Names for subqueries in FROM that have none.
//!
//! A SELECT over one without a name is planned as a projection right over a projection, and DataFusion 55 takes two of
//! them that read the same for one: `SELECT x + 1 AS x FROM (SELECT x + 1 AS x FROM …)` would add 1 once. Under a name
//! they do not read the same.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Ident, TableAlias, TableFactor, VisitMut, VisitorMut};

/// Gives each a name nobody writes, for messages to show.
pub(crate) fn name(statement: &mut Statement) {
    match statement {
        Statement::Explain(explain) => name(&mut explain.statement),
        Statement::Statement(parsed) => {
            let ControlFlow::Continue(()) = VisitMut::visit(parsed.as_mut(), &mut Names { given: 0 });
        }
        _ => {}
    }
}

struct Names {
    given: usize,
}

impl VisitorMut for Names {
    type Break = Infallible;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::Derived { alias: alias @ None, .. } = factor {
            self.given += 1;
            let name = Ident::with_quote('"', format!("(subquery {})", self.given));
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        ControlFlow::Continue(())
    }
}
