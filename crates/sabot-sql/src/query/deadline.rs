//! The end of a query's time, as seen from within a join.
//!
//! A join on something else than equality compares a batch with all rows of the other side in one go, and hands nothing on
//! while nothing matches. So its condition is what looks at the clock.

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, LogicalPlan};
use tokio::time::Instant;

use crate::passing::{self, Watch};

/// The same plan, optimised, with joins that end when time is up.
pub(super) fn with_deadline(plan: LogicalPlan, deadline: Instant) -> Result<LogicalPlan> {
    let in_time = passing::function(InTime { deadline });
    let watched = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(mut join) = node else { return Ok(Transformed::no(node)) };
        let condition = join.filter.take();
        let changed = condition.is_some();
        join.filter = condition.map(|condition| passing::watched(&in_time, condition));
        Ok(Transformed::new(LogicalPlan::Join(join), changed, TreeNodeRecursion::Continue))
    });
    watched.map(|plan| plan.data)
}

/// Lets conditions through while there is time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct InTime {
    deadline: Instant,
}

impl Watch for InTime {
    const NAME: &'static str = "in_time";

    fn look(&self, _: &ColumnarValue, _: usize) -> Result<()> {
        if Instant::now() >= self.deadline { exec_err!("the query's time is up") } else { Ok(()) }
    }
}
