//! Tumbling-window aggregation: one group table per pane, fired, snapshotted and dropped whole.
//!
//! A pane is a window's rows. It fires when the watermark passes its end. When lateness is allowed, rows late by no
//! more than that are kept beside it and it fires a second time, with the corrected results of the groups they belong to,
//! when the watermark has passed its end by as much. What fires when follows from event time alone, never from how rows were batched.
//!
//! State lives in *layers*: rows since the last barrier, and frozen partial states. At a barrier the rows become one more
//! frozen state, which is what the snapshot stores; processing goes on with an empty layer right away.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{SortColumn, lexsort_to_indices, max, min, take_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use sabot_common::clock::{SharedClock, Timestamp};
use sabot_common::registry::{attributes, spans};
use sabot_runtime::{Emitter, Envelope, JobError, Lateness, Operator, Snapshot, admit_cause};
use sabot_sql::{Aggregation, Tumble, WindowColumn};
use sabot_store::Section;
use sabot_telemetry::{Histogram, TraceContext};

use super::failed;
use crate::partition::{KeyHash, Ownership};

mod layer;

use layer::Layer;

/// How many recent producers a window remembers for its span's links.
const MAX_LINKS: usize = 8;

/// What a window operator is made of.
pub(crate) struct WindowSpec {
    pub(crate) aggregation: Arc<Aggregation>,
    pub(crate) window: Tumble,
    pub(crate) allowed_micros: i64,
    /// Assigns results to partitions of the output.
    pub(crate) hash: KeyHash,
    /// The keys this instance owns, when there are several.
    pub(crate) ownership: Option<Ownership>,
    pub(crate) duration: Histogram,
    pub(crate) clock: SharedClock,
}

/// The operator.
pub(crate) struct Window {
    spec: WindowSpec,
    /// The input column with an end of each row's window, and which end.
    column: usize,
    end: WindowColumn,
    panes: BTreeMap<i64, Pane>,
    watermark: i64,
    /// After a restore every pane is written whole once, so that older files are no longer needed.
    rewrite: bool,
    /// Arrival and trace of the newest input, which a firing belongs to.
    newest: Option<(Timestamp, Option<TraceContext>)>,
}

#[derive(Default)]
struct Pane {
    on_time: Layer,
    late: Layer,
    fired: bool,
    producers: Vec<TraceContext>,
}

impl Window {
    pub(crate) fn new(spec: WindowSpec) -> Result<Self, JobError> {
        let (column, end) = spec
            .aggregation
            .window()
            .ok_or_else(|| JobError::operator(spans::AGGREGATE, "an aggregation without a window"))?;
        let panes = BTreeMap::new();
        Ok(Self { spec, column, end, panes, watermark: i64::MIN, rewrite: false, newest: None })
    }

    /// Start of each row's window.
    fn starts(&self, batch: &RecordBatch) -> arrow::array::Int64Array {
        let column =
            batch.column(self.column).as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>();
        match self.end {
            WindowColumn::Start => column,
            WindowColumn::End => column.unary(|end| end.saturating_sub(self.spec.window.size_micros)),
        }
    }

    /// The rows of each window in the batch. A batch within one window, the common case, is not copied.
    fn by_window(&self, batch: &RecordBatch) -> Result<Vec<(i64, RecordBatch)>, JobError> {
        let starts = self.starts(batch);
        let (Some(low), Some(high)) = (min(&starts), max(&starts)) else { return Ok(Vec::new()) };
        if low == high {
            return Ok(vec![(low, batch.clone())]);
        }
        // Rows of a window stay in their order.
        let mut rows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, start) in (0_u32..).zip(starts.values()) {
            rows.entry(*start).or_default().push(row);
        }
        let of_window = |(start, rows)| {
            let rows = take_record_batch(batch, &UInt32Array::from(rows)).map_err(failed(spans::AGGREGATE))?;
            Ok((start, rows))
        };
        rows.into_iter().map(of_window).collect()
    }

    fn pane(&mut self, start: i64) -> &mut Pane {
        let fired = start.saturating_add(self.spec.window.size_micros) <= self.watermark;
        self.panes.entry(start).or_insert_with(|| Pane { fired, ..Pane::default() })
    }

    /// The next pane to fire or close at or before `watermark`: its trigger time, and its start.
    fn next_trigger(&self, watermark: i64) -> Option<(i64, i64)> {
        let size = self.spec.window.size_micros;
        let unfired =
            self.panes.iter().find(|(_, pane)| !pane.fired).map(|(start, _)| (start.saturating_add(size), *start));
        let oldest = self.panes.iter().next().filter(|(_, pane)| pane.fired);
        let closing =
            oldest.map(|(start, _)| (start.saturating_add(size).saturating_add(self.spec.allowed_micros), *start));
        [unfired, closing].into_iter().flatten().filter(|(at, _)| *at <= watermark).min()
    }

    fn trigger(&mut self, start: i64, out: &mut Emitter<'_>) -> Result<(), JobError> {
        let last = self.spec.allowed_micros == 0;
        let Some(mut pane) = self.panes.remove(&start) else { return Ok(()) };
        let producers = std::mem::take(&mut pane.producers);
        let plan = &self.spec.aggregation;
        let result = if !pane.fired && last {
            pane.on_time.finish(plan)?
        } else if !pane.fired {
            pane.fired = true;
            let result = pane.on_time.results_so_far(plan)?;
            self.panes.insert(start, pane);
            let Some(result) = result else { return Ok(()) };
            result
        } else if pane.late.is_empty() {
            return Ok(());
        } else {
            pane.on_time.corrected_by(pane.late, plan)?
        };
        self.fire(start, &result, &producers, out)
    }

    fn fire(
        &self,
        start: i64,
        result: &RecordBatch,
        producers: &[TraceContext],
        out: &mut Emitter<'_>,
    ) -> Result<(), JobError> {
        if result.num_rows() == 0 {
            return Ok(());
        }
        let mut span = out.start_span_linked(spans::WINDOW_FIRE, producers);
        if span.is_recording() {
            span.set_attribute(attributes::COMPONENT, self.component());
            span.set_attribute(attributes::WINDOW_START, Timestamp::from_unix_micros(start).to_string());
            span.set_attribute(attributes::WATERMARK, Timestamp::from_unix_micros(self.watermark).to_string());
            span.set_attribute(attributes::ROWS_OUT, i64::try_from(result.num_rows()).unwrap_or(i64::MAX));
        }
        out.count_window();
        let rows = self.arrange(start, result)?;
        let key_count = self.spec.aggregation.key_count();
        let keys = result.columns().get(..key_count).unwrap_or_default();
        let rows = with_keys_sorted(keys, &rows)?;
        let context = span.trace();
        for (partition, batch) in self.split(&rows)? {
            if let Some(ownership) = self.spec.ownership.as_ref().filter(|ownership| !ownership.owns(partition)) {
                // Another instance writes there, and would cut these rows off.
                let problem = format!("rows of partition {partition} came to instance {}", ownership.instance);
                return Err(JobError::operator(spans::AGGREGATE, problem));
            }
            let (arrived_at, trace) = self.newest.unwrap_or_default();
            let envelope = Envelope {
                batch,
                partition,
                route: sabot_runtime::Route::Main,
                lateness: Lateness::OnTime,
                arrived_at,
                trace,
                links: Vec::new(),
            };
            out.emit_under(envelope, context);
        }
        Ok(())
    }

    /// Results with the window's ends where the query has them.
    fn arrange(&self, start: i64, result: &RecordBatch) -> Result<RecordBatch, JobError> {
        let rows = result.num_rows();
        let instant =
            |at: i64| Arc::new(TimestampMicrosecondArray::from_value(at, rows).with_timezone("+00:00")) as ArrayRef;
        let (keys, functions) = result.columns().split_at(self.spec.aggregation.key_count().min(result.num_columns()));
        let mut keys = keys.iter();
        let mut columns = Vec::with_capacity(self.spec.aggregation.schema().fields().len());
        for group in self.spec.aggregation.group_columns() {
            columns.extend(match group {
                Some(WindowColumn::Start) => Some(instant(start)),
                Some(WindowColumn::End) => Some(instant(start.saturating_add(self.spec.window.size_micros))),
                None => keys.next().map(Arc::clone),
            });
        }
        columns.extend(functions.iter().map(Arc::clone));
        RecordBatch::try_new(SchemaRef::clone(self.spec.aggregation.schema()), columns)
            .map_err(failed(spans::AGGREGATE))
    }

    fn split(&self, rows: &RecordBatch) -> Result<Vec<(u32, RecordBatch)>, JobError> {
        let groups = self.spec.aggregation.group_columns().iter().enumerate();
        let keys: Vec<_> = groups.filter(|(_, end)| end.is_none()).map(|(i, _)| Arc::clone(rows.column(i))).collect();
        self.spec.hash.split(&keys, rows).map_err(failed(spans::AGGREGATE))
    }

    /// Of restored states, the groups this instance owns.
    fn owned(&self, state: &RecordBatch) -> Result<RecordBatch, JobError> {
        let Some(ownership) = &self.spec.ownership else { return Ok(state.clone()) };
        let keys = state.columns().get(..self.spec.aggregation.key_count()).unwrap_or_default();
        if keys.is_empty() {
            let rows = if ownership.owns(0) { state.num_rows() } else { 0 };
            return Ok(state.slice(0, rows));
        }
        let partitions = self.spec.hash.assign(keys, state.num_rows()).map_err(failed(spans::AGGREGATE))?;
        let rows = (0_u32..).zip(partitions).filter(|(_, p)| ownership.owns(*p)).map(|(row, _)| row);
        take_record_batch(state, &UInt32Array::from_iter_values(rows)).map_err(failed(spans::AGGREGATE))
    }
}

/// Rows in the order of their keys: the order does not depend on which row came first.
fn with_keys_sorted(keys: &[ArrayRef], rows: &RecordBatch) -> Result<RecordBatch, JobError> {
    if keys.is_empty() || rows.num_rows() < 2 {
        return Ok(rows.clone());
    }
    if keys.iter().any(|key| key.data_type().is_nested()) {
        return in_encoded_order(keys, rows).map_err(failed(spans::AGGREGATE));
    }
    let columns: Vec<_> = keys.iter().map(|k| SortColumn { values: Arc::clone(k), options: None }).collect();
    let order = lexsort_to_indices(&columns, None).map_err(failed(spans::AGGREGATE))?;
    take_record_batch(rows, &order).map_err(failed(spans::AGGREGATE))
}

/// The same for keys that cannot be compared column by column: lists and structs.
fn in_encoded_order(keys: &[ArrayRef], rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(keys)?;
    let mut order: Vec<(usize, arrow::row::Row<'_>)> = encoded.iter().enumerate().collect();
    order.sort_by_key(|(_, key)| *key);
    let order = order.into_iter().filter_map(|(row, _)| u32::try_from(row).ok());
    take_record_batch(rows, &UInt32Array::from_iter_values(order))
}

impl Operator for Window {
    fn name(&self) -> &'static str {
        spans::AGGREGATE
    }

    fn process(&mut self, input: Envelope, _out: &mut Emitter<'_>) -> Result<(), JobError> {
        let start = self.spec.clock.monotonic();
        let plan = Arc::clone(&self.spec.aggregation);
        for (window, rows) in self.by_window(&input.batch)? {
            let pane = self.pane(window);
            match input.lateness {
                Lateness::OnTime => pane.on_time.update(&plan, rows)?,
                Lateness::Allowed => pane.late.update(&plan, rows)?,
            }
            if let Some(producer) = input.trace
                && admit_cause(&mut pane.producers, &producer)
            {
                if pane.producers.len() == MAX_LINKS {
                    pane.producers.remove(0);
                }
                pane.producers.push(producer);
            }
        }
        self.newest = Some((input.arrived_at, input.trace));
        self.spec.duration.observe(self.spec.clock.monotonic().saturating_sub(start).as_secs_f64());
        Ok(())
    }

    fn advance(&mut self, watermark: i64, out: &mut Emitter<'_>) -> Result<(), JobError> {
        self.watermark = self.watermark.max(watermark);
        while let Some((_, start)) = self.next_trigger(self.watermark) {
            self.trigger(start, out)?;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Snapshot, JobError> {
        let mut snapshot = Snapshot::default();
        for (start, pane) in &mut self.panes {
            for (layer, kind) in [(&mut pane.on_time, "on_time"), (&mut pane.late, "late")] {
                let name = format!("{kind}.{start}");
                let changed = layer.freeze(&self.spec.aggregation, self.rewrite)?;
                if let Some((full, batch)) = changed {
                    snapshot.sections.push(Section { name: name.clone(), full, batch });
                }
                if !layer.is_empty() {
                    snapshot.live.push(name);
                }
            }
        }
        self.rewrite = false;
        Ok(snapshot)
    }

    fn restore(&mut self, sections: &[Section], watermark: i64) -> Result<(), JobError> {
        self.watermark = watermark;
        self.rewrite = true;
        for section in sections {
            let place = section.name.split_once('.').and_then(|(kind, start)| Some((kind, start.parse::<i64>().ok()?)));
            let Some((kind, start)) = place else {
                return Err(JobError::operator(spans::AGGREGATE, format!("unknown state \"{}\"", section.name)));
            };
            let closes = start.saturating_add(self.spec.window.size_micros).saturating_add(self.spec.allowed_micros);
            let rows = self.owned(&section.batch)?;
            if closes <= watermark || rows.num_rows() == 0 {
                continue;
            }
            let pane = self.pane(start);
            if kind == "late" { pane.late.restore(rows) } else { pane.on_time.restore(rows) }
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.panes.values().map(|pane| pane.on_time.size_bytes() + pane.late.size_bytes()).sum()
    }
}
