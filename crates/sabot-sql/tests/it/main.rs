//! Behaviour of SQL planning, aggregation and ad-hoc queries.

#![expect(clippy::expect_used, reason = "clippy exempts test functions, not their helpers")]

mod grouping;
mod planning;
mod querying;
