//! `IS [NOT] DISTINCT FROM` and what stands behind it.
//!
//! The parser takes everything that follows, `AND` and `OR` included, for its right side, so that
//! `a IS DISTINCT FROM b AND c` would mean `a IS DISTINCT FROM (b AND c)`. Nobody writes that: it is refused unless
//! parentheses say what is meant.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Visit, Visitor};

use crate::SqlError;

/// Refuses a statement that would be read in another way than it was meant.
pub(crate) fn check(statement: &Statement) -> Result<(), SqlError> {
    match statement {
        Statement::Explain(explain) => check(&explain.statement),
        Statement::Statement(parsed) => check_parsed(parsed.as_ref()),
        _ => Ok(()),
    }
}

/// The same for a part of one.
pub(crate) fn check_parsed(parsed: &impl Visit) -> Result<(), SqlError> {
    match Visit::visit(parsed, &mut Swallowed) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(message) => Err(SqlError::Plan { message, at: None }),
    }
}

struct Swallowed;

impl Visitor for Swallowed {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let (words, left, right) = match expr {
            Expr::IsDistinctFrom(left, right) => ("IS DISTINCT FROM", left, right),
            Expr::IsNotDistinctFrom(left, right) => ("IS NOT DISTINCT FROM", left, right),
            _ => return ControlFlow::Continue(()),
        };
        match right.as_ref() {
            Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor, .. } => {
                let first = first_of(right);
                ControlFlow::Break(format!(
                    "{words} takes all that follows for its right side: put it in parentheses, as in ({left} {words} {first}) \
                     AND …"
                ))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// What was meant to be the right side.
fn first_of(expr: &Expr) -> &Expr {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor, .. } => {
            first_of(left)
        }
        other => other,
    }
}
