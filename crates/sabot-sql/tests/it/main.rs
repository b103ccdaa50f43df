//! Behaviour of SQL planning, aggregation and ad-hoc queries.

mod grouping;
mod planning;
mod querying;
