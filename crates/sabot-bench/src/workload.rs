//! The events, and the queries over them as an agent and as a batch.
//!
//! Events are 10 µs apart with up to 20 ms of disorder, so 100,000 to a second of event time; 1,000 keys; batches of
//! 8,192 rows. All of it follows from the row's number.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// Name of the stream of events.
pub(crate) const EVENTS: &str = "events";
/// Name of the table events are joined with.
pub(crate) const RATES: &str = "rates";
/// Name of the event-time column.
pub(crate) const EVENT_TIME: &str = "at";

const BATCH_ROWS: usize = 8_192;
const KEYS: i64 = 1_000;
const SPACING_MICROS: i64 = 10;
const DISORDER_MICROS: i64 = 20_000;
const FIRST_EVENT_MICROS: i64 = 1_700_000_000_000_000;

/// A query, as an agent runs it and as a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    /// The suite of `sabot benchmarks` it belongs to.
    pub(crate) suite: &'static str,
    /// The agent's SQL.
    pub(crate) agent: &'static str,
    /// As a batch: a name, and the SQL. The first makes the agent's rows. The others are further ways to the same end
    /// that may be faster: `consumed` ends in an aggregate over every column instead of keeping the rows, as the
    /// agent's rows end in a blackhole.
    pub(crate) batches: &'static [(&'static str, &'static str)],
}

/// The queries of the spine.
pub(crate) const QUERIES: [Query; 3] = [
    Query {
        name: "filter_project",
        suite: "stream",
        agent: "SELECT at, key, price * 0.908 AS euros FROM events WHERE price > 50",
        batches: &[
            ("datafusion", "SELECT at, key, price * 0.908 AS euros FROM events WHERE price > 50"),
            (
                "datafusion_consumed",
                "SELECT count(*), max(at), max(key), max(euros) FROM \
                 (SELECT at, key, price * 0.908 AS euros FROM events WHERE price > 50)",
            ),
        ],
    },
    Query {
        name: "tumbling",
        suite: "window",
        agent: "SELECT window_start, key, count(*) AS n, sum(price) AS total \
                FROM TUMBLE(events, at, INTERVAL '1 second') GROUP BY window_start, key",
        batches: &[
            (
                "datafusion",
                "SELECT date_bin(INTERVAL '1 second', at) AS window_start, key, count(*) AS n, sum(price) AS total \
                 FROM events GROUP BY 1, 2",
            ),
            (
                "datafusion_date_trunc",
                "SELECT date_trunc('second', at) AS window_start, key, count(*) AS n, sum(price) AS total \
                 FROM events GROUP BY 1, 2",
            ),
            (
                "datafusion_division",
                "SELECT CAST(at AS BIGINT) / 1000000 AS second, key, count(*) AS n, sum(price) AS total \
                 FROM events GROUP BY 1, 2",
            ),
        ],
    },
    Query {
        name: "lookup_join",
        suite: "join",
        agent: "SELECT e.at, e.key, r.name, e.price * r.rate AS total FROM events e JOIN rates r ON e.key = r.key",
        // DataFusion builds its hash table from the left side when it knows no sizes.
        batches: &[
            (
                "datafusion",
                "SELECT e.at, e.key, r.name, e.price * r.rate AS total FROM rates r JOIN events e ON e.key = r.key",
            ),
            (
                "datafusion_consumed",
                "SELECT count(*), max(at), max(key), max(octet_length(name)), max(total) FROM \
                 (SELECT e.at, e.key, r.name, e.price * r.rate AS total FROM rates r JOIN events e ON e.key = r.key)",
            ),
        ],
    },
];

/// Everything, as it came.
pub(crate) const PASS: Query =
    Query { name: "durable", suite: "state", agent: "SELECT at, key, price FROM events", batches: &[] };

/// The events and the table.
#[derive(Debug)]
pub(crate) struct Workload {
    /// How many events there are.
    pub(crate) events: usize,
    /// Their columns.
    pub(crate) schema: SchemaRef,
    /// The events.
    pub(crate) batches: Arc<Vec<RecordBatch>>,
}

impl Workload {
    pub(crate) fn generate(events: usize) -> Self {
        let fields = vec![
            Field::new(EVENT_TIME, sabot_sql::event_time_type(), false),
            Field::new("key", DataType::Int64, false),
            Field::new("price", DataType::Float64, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        let mut numbers = Numbers { state: 42 };
        let mut batches = Vec::with_capacity(events.div_ceil(BATCH_ROWS));
        let mut at = FIRST_EVENT_MICROS;
        let mut left = events;
        while left > 0 {
            let rows = left.min(BATCH_ROWS);
            let (mut times, mut keys, mut prices) =
                (Vec::with_capacity(rows), Vec::with_capacity(rows), Vec::with_capacity(rows));
            for _ in 0..rows {
                times.push(at - numbers.below(DISORDER_MICROS));
                keys.push(numbers.below(KEYS));
                prices.push(numbers.percent());
                at += SPACING_MICROS;
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(TimestampMicrosecondArray::from(times).with_timezone("+00:00")),
                Arc::new(Int64Array::from(keys)),
                Arc::new(Float64Array::from(prices)),
            ];
            batches.extend(RecordBatch::try_new(Arc::clone(&schema), columns));
            left -= rows;
        }
        Self { events, schema, batches: Arc::new(batches) }
    }

    /// Bytes of the events' values: what an output of all of them cannot do without.
    pub(crate) fn value_bytes(&self) -> u64 {
        let width: usize = self.schema.fields().iter().filter_map(|f| f.data_type().primitive_width()).sum();
        self.events as u64 * width as u64
    }

    /// The table's rows, keyed by `key`.
    pub(crate) fn rates() -> Result<RecordBatch, ArrowError> {
        let fields = vec![
            Field::new("key", DataType::Int64, false),
            Field::new("name", DataType::Utf8, false),
            Field::new("rate", DataType::Float64, false),
        ];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(0..KEYS)),
            Arc::new(StringArray::from_iter_values((0..KEYS).map(|key| format!("rate-{key:04}")))),
            Arc::new(Float64Array::from_iter_values((0_i32..).take(1_000).map(|key| f64::from(key) / 1_000.0))),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
    }
}

/// The same pseudo-random numbers in every run (Knuth's MMIX generator).
struct Numbers {
    state: u64,
}

impl Numbers {
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as u32
    }

    fn below(&mut self, bound: i64) -> i64 {
        i64::from(self.next()) % bound
    }

    /// From 0 to 100 in steps of 1/100.
    fn percent(&mut self) -> f64 {
        f64::from(self.next() % 10_001) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;

    use super::{BATCH_ROWS, Workload};

    #[test]
    fn events_are_as_many_as_wanted_and_no_more_than_20_ms_out_of_order() {
        let workload = Workload::generate(20_000);
        let rows: Vec<usize> = workload.batches.iter().map(arrow::array::RecordBatch::num_rows).collect();
        assert_eq!(rows, [BATCH_ROWS, BATCH_ROWS, 20_000 - 2 * BATCH_ROWS]);
        let times = workload
            .batches
            .iter()
            .flat_map(|batch| batch.column(0).as_primitive::<TimestampMicrosecondType>().values().to_vec());
        let (mut newest, mut behind) = (i64::MIN, 0);
        for time in times {
            newest = newest.max(time);
            behind = behind.max(newest - time);
        }
        assert!((10_000..20_000).contains(&behind), "{behind} µs behind");
    }
}
