//! Pauses in a plan's work, at which a query that nobody waits for any more can end.
//!
//! Futures end where they wait, and a join of two large relations does not wait: all that it reads is there. So what
//! every operator hands on passes a gate that lets others have their turn now and then.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::Stream;
use tokio::time::Instant;

/// How long a gate lets work go on.
const WORK: Duration = Duration::from_millis(20);

/// The same plan with a gate behind every operator but the last, which is what it was.
pub(super) fn with_pauses(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.map_children(|child| child.transform_up(|node| Ok(Transformed::yes(Arc::new(Gate { of: node }) as _))))
        .map(|plan| plan.data)
}

/// Hands on what an operator makes.
#[derive(Debug)]
struct Gate {
    of: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Gate {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl ExecutionPlan for Gate {
    fn name(&self) -> &'static str {
        "Gate"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.of.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.of]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(children.into_iter().next().map_or(self as _, |of| Arc::new(Self { of }) as _))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let of = self.of.execute(partition, context)?;
        Ok(Box::pin(Gated { of, working_since: None, ended: false }))
    }
}

struct Gated {
    of: SendableRecordBatchStream,
    /// Since the last pause, or since the last time it waited for something else.
    working_since: Option<Instant>,
    /// It has failed or ended; some streams do not bear to be asked again.
    ended: bool,
}

impl Stream for Gated {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let since = *self.working_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= WORK {
            self.working_since = None;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let next = self.of.as_mut().poll_next(cx);
        if next.is_pending() {
            self.working_since = None;
        }
        let next = ready!(next);
        self.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl RecordBatchStream for Gated {
    fn schema(&self) -> SchemaRef {
        self.of.schema()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use arrow::datatypes::Schema;
    use datafusion::common::exec_datafusion_err;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{StreamExt, stream};

    use super::Gated;

    #[tokio::test]
    async fn a_stream_that_has_failed_is_not_asked_again() {
        let mut asked = 0;
        let failing = stream::poll_fn(move |_| {
            asked += 1;
            assert_eq!(asked, 1, "as a repartition panics");
            Poll::Ready(Some(Err(exec_datafusion_err!("no memory"))))
        });
        let of = Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::empty()), failing));
        let mut gated = Gated { of, working_since: None, ended: false };
        assert!(gated.next().await.is_some_and(|next| next.is_err()));
        assert!(gated.next().await.is_none());
    }
}
