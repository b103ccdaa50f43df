//! Streams.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use axum::Json;
use axum::extract::State;
use sabot_common::config::{LateTo, Output};
use sabot_common::suggest;
use sabot_store::{Store, StreamInfo, StreamKind};
use serde_json::{Value, json};

use super::error::ApiError;
use super::request::{Named, Params};
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
    let sum = |pick: fn(&sabot_store::PartitionInfo) -> u64| stream.partitions.iter().map(pick).sum::<u64>();
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
) -> Result<Json<Value>, ApiError> {
    let stream = known(&api.platform.store, &name)?;
    let limit = params.limit(20, MAX_ROWS)?;
    let from = From::parse(params.get("from").unwrap_or("latest"))?;
    let store = std::sync::Arc::clone(&api.platform.store);
    let read = api.query_threads.spawn_blocking(move || read_rows(&store, &stream, from, limit)).await;
    let batches = read.map_err(ApiError::internal)??;
    Ok(Json(json!({ "stream": name, "rows": render::to_json(&batches)? })))
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

/// Up to `limit` rows, shared out between the partitions: the first from a place, or the newest.
fn read_rows(store: &Store, stream: &StreamInfo, from: From, limit: usize) -> Result<Vec<RecordBatch>, ApiError> {
    let schema = numbered_schema(&stream.spec.schema);
    let mut left = limit;
    let mut batches = Vec::new();
    let partitions = stream.partitions.len();
    for (number, partition) in stream.partitions.iter().enumerate() {
        let share = left.div_ceil(partitions - number);
        let start = match from {
            From::Earliest => partition.earliest,
            From::Latest => partition.latest.saturating_sub(share as u64).max(partition.earliest),
            From::Offset(offset) => offset.max(partition.earliest),
        };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut reader = store.reader(&stream.spec.name, number, start)?;
        let mut wanted = share;
        while wanted > 0
            && let Some(frame) = reader.next(wanted)?
        {
            wanted -= frame.batch.num_rows().min(wanted);
            batches.push(numbered(&frame, number, &schema).map_err(ApiError::internal)?);
        }
        left -= share - wanted;
    }
    Ok(batches)
}
