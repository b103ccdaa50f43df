//! What ad-hoc SQL can read: streams with `_partition` and `_offset`, tables, and Sabot's own telemetry.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sabot_observatory::SpanStore;
use sabot_sql::{Batches, PartitionReader, Relations, RowSource, RowSourceKind};
use sabot_store::{Frame, PLACE_COLUMNS, Store, StreamInfo, Table};

use crate::platform::Platform;

/// Rows read at a time.
const BATCH_ROWS: usize = 8_192;
/// Rows of a table a query reads at most; tables are keyed state, not archives.
const TABLE_ROWS: usize = 10_000_000;

/// The relations of one server.
pub(crate) struct ServerRelations {
    pub(crate) platform: Arc<Platform>,
    pub(crate) spans: Arc<SpanStore>,
}

impl Relations for ServerRelations {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        if name == "sabot.spans" {
            return Some(self.spans.relation());
        }
        if let Some(table) = self.platform.tables().get(name) {
            return Some(table_source(table));
        }
        self.platform.store.stream(name).map(|stream| stream_source(&self.platform.store, &stream))
    }

    fn names(&self) -> Vec<String> {
        let streams = self.platform.store.streams().into_iter().map(|stream| stream.spec.name.clone());
        let tables = self.platform.tables().into_keys();
        streams.chain(tables).chain(["sabot.spans".to_owned()]).collect()
    }
}

fn table_source(table: &Arc<Table>) -> RowSource {
    let schema = SchemaRef::clone(table.schema());
    let table = Arc::clone(table);
    let open = move || -> Result<Batches, String> {
        let rows = table.scan(TABLE_ROWS).map_err(|error| error.to_string())?;
        Ok(Box::new(std::iter::once(Ok(rows))))
    };
    RowSource { schema, kind: RowSourceKind::Partitions(vec![Arc::new(open)]) }
}

/// A stream's columns with `_partition` and `_offset` in front.
pub(crate) fn numbered_schema(schema: &Schema) -> SchemaRef {
    let [partition, offset] = PLACE_COLUMNS;
    let mut fields = vec![
        Arc::new(Field::new(partition, DataType::UInt32, false)),
        Arc::new(Field::new(offset, DataType::UInt64, false)),
    ];
    fields.extend(schema.fields().iter().cloned());
    Arc::new(Schema::new(fields))
}

/// A frame's rows with their numbers.
pub(crate) fn numbered(frame: &Frame, partition: u32, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let rows = frame.batch.num_rows();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_value(partition, rows)),
        Arc::new(UInt64Array::from_iter_values(frame.offset..frame.offset + rows as u64)),
    ];
    columns.extend(frame.batch.columns().iter().cloned());
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())
}

fn stream_source(store: &Arc<Store>, stream: &StreamInfo) -> RowSource {
    let schema = numbered_schema(&stream.spec.schema);
    let name = stream.spec.name.clone();
    let readers = (0..stream.spec.partitions).map(|partition| {
        let (store, name, schema) = (Arc::clone(store), name.clone(), Arc::clone(&schema));
        let open = move || -> Result<Batches, String> {
            let mut reader = store.reader(&name, partition, 0).map_err(|error| error.to_string())?;
            let schema = Arc::clone(&schema);
            Ok(Box::new(std::iter::from_fn(move || match reader.next(BATCH_ROWS) {
                Ok(Some(frame)) => Some(numbered(&frame, partition, &schema)),
                Ok(None) => None,
                Err(error) => Some(Err(error.to_string())),
            })))
        };
        Arc::new(open) as PartitionReader
    });
    let kind = RowSourceKind::Partitions(readers.collect());
    RowSource { schema, kind }
}
