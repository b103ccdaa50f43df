//! Streams.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::error::ArrowError;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use sabot_common::config::{LateTo, Output};
use sabot_common::suggest;
use sabot_store::{PartitionInfo, Store, StreamInfo, StreamKind};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::request::{Named, Params};
use super::rows::{JsonRows, MAX_BYTES};
use super::work::PATIENCE;
use super::{Api, rows as render};
use crate::relations::{numbered, numbered_schema};

/// Most rows one request returns.
const MAX_ROWS: usize = 10_000;

pub(super) async fn list(State(api): State<Api>) -> Json<Vec<Value>> {
    let writers = writers(&api);
    let streams = api.platform.store.streams().into_iter().filter(|s| s.spec.kind == StreamKind::Stream);
    Json(streams.map(|stream| summary(&api, &stream, &writers)).collect())
}

/// What fills each stream.
fn writers(api: &Api) -> BTreeMap<String, String> {
    api.platform.inspect(|sources, agents| {
        let mut writers: BTreeMap<String, String> = BTreeMap::new();
        for (name, source) in sources {
            writers.insert(name.clone(), format!("source {}", source.file));
            writers.insert(format!("{name}.dead"), format!("source {}", source.file));
        }
        for (name, agent) in agents {
            let by = format!("agent {name}");
            if let Output::Stream { name, .. } = &agent.config.output {
                writers.insert(name.to_string(), by.clone());
            }
            if let LateTo::Stream(late) = &agent.config.late.to {
                writers.insert(late.to_string(), by);
            }
        }
        writers
    })
}

fn summary(api: &Api, stream: &StreamInfo, writers: &BTreeMap<String, String>) -> Value {
    let name = &stream.spec.name;
    let sum = |pick: fn(&PartitionInfo) -> u64| stream.partitions.iter().map(pick).sum::<u64>();
    json!({
        "name": name,
        "partitions": stream.spec.partitions,
        "backend": "embedded",
        "events_total": sum(|p| p.latest),
        "bytes": sum(|p| p.bytes),
        "earliest": sum(|p| p.earliest),
        "latest": sum(|p| p.latest),
        "events_per_second": api.monitor.rate(&format!("stream:{name}")),
        "writer": writers.get(name),
    })
}

fn known(store: &Store, name: &str) -> Result<StreamInfo, ApiError> {
    store.stream(name).ok_or_else(|| {
        let streams = store.streams();
        let near = suggest::hint(name, streams.iter().map(|stream| stream.spec.name.as_str()));
        ApiError::not_found(format!("stream \"{name}\" does not exist{near}"))
    })
}

pub(super) async fn show(State(api): State<Api>, Named(name): Named<String>) -> Result<Json<Value>, ApiError> {
    let stream = known(&api.platform.store, &name)?;
    let mut shown = summary(&api, &stream, &writers(&api));
    let partitions = stream.partitions.iter().enumerate().map(
        |(number, p)| json!({ "partition": number, "earliest": p.earliest, "latest": p.latest, "bytes": p.bytes }),
    );
    let more = json!({
        "schema": render::columns(&stream.spec.schema),
        "event_time": stream.spec.event_time,
        "finished": stream.finished,
        "readers": readers(&api, &stream),
        "partition_details": partitions.collect::<Vec<_>>(),
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    Ok(Json(shown))
}

/// Agents that read a stream, with what they have not read yet.
fn readers(api: &Api, stream: &StreamInfo) -> Vec<Value> {
    let latest: u64 = stream.partitions.iter().map(|p| p.latest).sum();
    let names: Vec<String> = api.platform.inspect(|_, agents| {
        let reads = |agent: &&crate::platform::AgentEntry| {
            agent.plan.as_ref().is_ok_and(|plan| plan.plan.scan.relation == stream.spec.name)
        };
        agents.values().filter(reads).map(|agent| agent.config.name.to_string()).collect()
    });
    let read = |name: &String| {
        let commit = api.platform.store.last_commit(name);
        commit.map_or(0, |c| c.inputs.iter().filter(|i| i.stream == stream.spec.name).map(|i| i.offset).sum::<u64>())
    };
    names.iter().map(|name| json!({ "agent": name, "lag_events": latest.saturating_sub(read(name)) })).collect()
}

pub(super) async fn rows(
    State(api): State<Api>,
    Named(name): Named<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let stream = known(&api.platform.store, &name)?;
    let limit = params.limit(20, MAX_ROWS)?;
    let from = From::parse(params.get("from").unwrap_or("latest"))?;
    let store = Arc::clone(&api.platform.store);
    let read = move || {
        let (rows, truncated) = match from {
            From::Latest => newest_rows(&store, &stream, limit)?,
            From::Earliest => first_rows(&store, &stream, 0, limit)?,
            From::Offset(offset) => first_rows(&store, &stream, offset, limit)?,
        };
        Ok::<_, ApiError>(rows.answer(Map::from_iter([("stream".to_owned(), name.into())]), truncated))
    };
    api.look_threads.run_blocking(PATIENCE, read).await
}

/// Where to start reading.
#[derive(Clone, Copy)]
enum From {
    Earliest,
    Latest,
    Offset(u64),
}

impl From {
    fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => text.parse().map(Self::Offset).map_err(|_not_a_number| {
                ApiError::bad_request(format!("from: \"{text}\" is not earliest, latest or an offset"))
            }),
        }
    }
}

/// Gives the rows of one partition from an offset on, at most `limit`, until `take` breaks.
fn read_from(
    store: &Store,
    stream: &StreamInfo,
    (partition, offset): (u32, u64),
    limit: usize,
    mut take: impl FnMut(RecordBatch) -> Result<ControlFlow<()>, ApiError>,
) -> Result<ControlFlow<()>, ApiError> {
    let schema = numbered_schema(&stream.spec.schema);
    let mut reader = store.reader(&stream.spec.name, partition, offset)?;
    let mut wanted = limit;
    while wanted > 0
        && let Some(frame) = reader.next(wanted)?
    {
        wanted -= frame.batch.num_rows().min(wanted);
        if take(numbered(&frame, partition, &schema).map_err(ApiError::internal)?)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Partitions with their numbers.
fn numbered_partitions(stream: &StreamInfo) -> impl Iterator<Item = (u32, &PartitionInfo)> {
    (0..).zip(&stream.partitions)
}

/// The first rows from an offset on, shared out between the partitions and listed partition by partition; and whether
/// there are more.
fn first_rows(store: &Store, stream: &StreamInfo, offset: u64, limit: usize) -> Result<(JsonRows, bool), ApiError> {
    let start = |partition: &PartitionInfo| offset.max(partition.earliest);
    let unread: Vec<u64> = stream.partitions.iter().map(|p| p.latest.saturating_sub(start(p))).collect();
    let mut rows = JsonRows::new(MAX_BYTES);
    for ((number, partition), share) in numbered_partitions(stream).zip(shares(&unread, limit)) {
        let full = read_from(store, stream, (number, start(partition)), share, |batch| Ok(rows.push(&batch)?))?;
        if full.is_break() {
            return Ok((rows, true));
        }
    }
    let truncated = unread.iter().sum::<u64>() > rows.len() as u64;
    Ok((rows, truncated))
}

/// How many rows to take of each partition, given how many each has: as even as that allows.
fn shares(available: &[u64], limit: usize) -> Vec<usize> {
    let available = available.iter().map(|rows| usize::try_from(*rows).unwrap_or(usize::MAX));
    let mut by_size: Vec<(usize, usize)> = available.enumerate().map(|(number, rows)| (rows, number)).collect();
    by_size.sort_unstable();
    let (mut left, count) = (limit, by_size.len());
    for (done, (rows, _)) in by_size.iter_mut().enumerate() {
        // What the small ones leave is for those after them.
        *rows = (*rows).min(left.div_ceil(count - done));
        left -= *rows;
    }
    by_size.sort_unstable_by_key(|(_, number)| *number);
    by_size.into_iter().map(|(rows, _)| rows).collect()
}

/// The newest rows of all partitions, the newest last; and whether there are more. Of each partition the last `limit` rows
/// are looked at, so that a row that came long after its time does not have to be looked for everywhere.
fn newest_rows(store: &Store, stream: &StreamInfo, limit: usize) -> Result<(JsonRows, bool), ApiError> {
    let schema = numbered_schema(&stream.spec.schema);
    let by = stream.spec.event_time.as_deref().unwrap_or("_offset");
    let mut newest = RecordBatch::new_empty(Arc::clone(&schema));
    let mut all = 0;
    for (number, partition) in numbered_partitions(stream) {
        all += partition.latest.saturating_sub(partition.earliest);
        let start = partition.latest.saturating_sub(limit as u64).max(partition.earliest);
        // Sorted in now and then: frames can be as small as a row.
        let (mut unsorted, mut bytes, mut rows) = (Vec::new(), 0, 0);
        let _all_read = read_from(store, stream, (number, start), limit, |batch| {
            bytes += batch.get_array_memory_size();
            rows += batch.num_rows();
            unsorted.push(batch);
            if bytes > MAX_BYTES || rows > MAX_ROWS {
                newest = newest_of(&newest, std::mem::take(&mut unsorted), by, limit)?;
                (bytes, rows) = (0, 0);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        newest = newest_of(&newest, unsorted, by, limit)?;
    }
    let listed = newest.num_rows();
    loop {
        let mut rows = JsonRows::new(MAX_BYTES);
        let full = rows.push(&newest)?.is_break();
        if !full || newest.num_rows() <= 1 {
            let truncated = full || newest.num_rows() < listed || all > listed as u64;
            return Ok((rows, truncated));
        }
        // Those that have no room are the oldest.
        let half = newest.num_rows() / 2;
        newest = newest.slice(half, newest.num_rows() - half);
    }
}

/// The newest rows of two lots. As many as have room in an answer: the oldest go first there too.
fn newest_of(
    newest: &RecordBatch,
    mut more: Vec<RecordBatch>,
    by: &str,
    limit: usize,
) -> Result<RecordBatch, ArrowError> {
    more.push(newest.clone());
    let mut newest = last_by(&concat_batches(&newest.schema(), &more)?, by, limit)?;
    while newest.num_rows() > 1 && newest.get_array_memory_size() > MAX_BYTES {
        newest = last_by(&newest, by, newest.num_rows() / 2)?;
    }
    Ok(newest)
}

/// The last `limit` rows in the order of a column, then of offset and partition; without a value is before all others.
fn last_by(rows: &RecordBatch, by: &str, limit: usize) -> Result<RecordBatch, ArrowError> {
    let options = Some(SortOptions { descending: false, nulls_first: true });
    let columns = [by, "_offset", "_partition"].into_iter().filter_map(|name| rows.column_by_name(name));
    let order: Vec<_> = columns.map(|values| SortColumn { values: Arc::clone(values), options }).collect();
    let order = lexsort_to_indices(&order, None)?;
    let excess = order.len().saturating_sub(limit);
    take_record_batch(rows, &order.slice(excess, order.len() - excess))
}
