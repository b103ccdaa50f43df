//! One partition of a stream or table as DataFusion reads it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;

use super::PartitionReader;
use crate::error::Unreadable;

struct Partition {
    schema: SchemaRef,
    open: PartitionReader,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partition")
    }
}

/// A reader as a stream; it is opened when the query starts.
pub(super) fn stream(schema: &SchemaRef, open: PartitionReader) -> Arc<dyn PartitionStream> {
    Arc::new(Partition { schema: Arc::clone(schema), open })
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches: super::Batches = match (self.open)() {
            Ok(batches) => batches,
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        let batches = stream::iter(
            batches.map(|batch| batch.map_err(|error| DataFusionError::External(Box::new(Unreadable(error))))),
        );
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}
