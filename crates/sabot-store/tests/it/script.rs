//! A run of everything storage does, step by step, that can be taken up where a crash has left it.
//!
//! Every step is one durable change, so that after a crash it has happened or not. What a store shows after each step of
//! an undisturbed run is the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use sabot_common::clock::Timestamp;
use sabot_common::config::{Backend, Retention};
use sabot_common::units::{Size, Span};
use sabot_store::{CommitRecord, CommitRequest, PartitionWriter, Section, Store, StoreError, StreamSpec, TableSpec};

use super::support::{at_second, bare, ids, record, stream};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Stream(StreamSpec),
    Table,
    Put(&'static str, u64),
    Delete(&'static str),
    /// Epochs of several agents in one group.
    Commit(Vec<Epoch>),
    /// Rows that nobody commits; their writer goes away.
    Abandon(&'static str, u32),
    Retain,
    Drop(&'static str),
    /// An agent, and the record that goes with it.
    Forget(&'static str, &'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    agent: &'static str,
    generation: u64,
    number: u64,
    /// Stream, partition, frames.
    writes: Vec<(&'static str, u32, usize)>,
    snapshot: bool,
    finished: bool,
}

/// What a store shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) rows: BTreeMap<(String, u32), Vec<i64>>,
    rest: Rest,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Rest {
    finished: Vec<String>,
    records: Vec<(String, u64)>,
    commits: Vec<CommitRecord>,
    snapshots: Vec<Vec<i64>>,
    table: Vec<(i64, i64)>,
}

fn epoch(agent: &'static str, number: u64, writes: &[(&'static str, u32, usize)]) -> Epoch {
    Epoch { agent, generation: 1, number, writes: writes.to_vec(), snapshot: false, finished: false }
}

fn table_schema() -> SchemaRef {
    let column = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![column("key"), column("value")]))
}

fn table_rows(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let (keys, values): (Vec<i64>, Vec<i64>) = values.into_iter().map(|value| (value % 5, value)).unzip();
    let columns = [keys, values].map(|column| Arc::new(Int64Array::from(column)) as arrow::array::ArrayRef);
    RecordBatch::try_new(table_schema(), columns.to_vec()).unwrap()
}

const TABLE: &str = "t";
const CHANGELOG: &str = "t.changelog";

/// The run.
pub(crate) fn script() -> Vec<Step> {
    let retention =
        Some(Retention { age: Some(Span(std::time::Duration::from_secs(20))), max_bytes: Some(Size(3_000)) });
    let mut steps = vec![
        Step::Stream(stream("orders", 2)),
        Step::Put("cursor", 1),
        Step::Stream(StreamSpec { retention, ..stream("short", 1) }),
        Step::Table,
    ];
    for round in 1..=6 {
        let snapshot = round % 2 == 0;
        steps.push(Step::Commit(vec![
            Epoch { snapshot: true, ..epoch("first", round, &[("orders", 0, 2), ("orders", 1, 1)]) },
            Epoch { snapshot, ..epoch("second:a", round, &[("short", 0, 3), (CHANGELOG, 0, 1)]) },
        ]));
        match round {
            1 => steps.push(Step::Abandon("short", 0)),
            2 => steps.extend([Step::Put("cursor", 2), Step::Put("other", 7), Step::Retain]),
            3 => steps
                .extend([Step::Stream(stream("gone", 1)), Step::Commit(vec![epoch("third", 1, &[("gone", 0, 4)])])]),
            4 => steps.extend([Step::Abandon("orders", 1), Step::Drop("gone"), Step::Stream(stream("gone", 1))]),
            5 => steps.extend([Step::Commit(vec![epoch("third", 2, &[("gone", 0, 1)])]), Step::Delete("other")]),
            _ => steps.push(Step::Retain),
        }
    }
    steps.push(Step::Commit(vec![
        Epoch { generation: 2, snapshot: true, ..epoch("first", 7, &[("orders", 1, 3)]) },
        Epoch { finished: true, ..epoch("second:a", 7, &[("short", 0, 1)]) },
    ]));
    steps.extend([Step::Retain, Step::Forget("third", "cursor")]);
    steps.push(Step::Commit(vec![Epoch { snapshot: true, ..epoch("third", 1, &[("gone", 0, 2)]) }]));
    steps
}

/// Does steps on a store.
pub(crate) struct Runner {
    store: Arc<Store>,
    writers: BTreeMap<(&'static str, u32), PartitionWriter>,
    /// Called when the disk is full; the same call is then made again.
    make_room: Box<dyn Fn()>,
}

impl Runner {
    pub(crate) fn new(store: Arc<Store>, make_room: impl Fn() + 'static) -> Self {
        Self { store, writers: BTreeMap::new(), make_room: Box::new(make_room) }
    }

    /// Does the step with this number.
    pub(crate) fn step(&mut self, number: usize, step: &Step) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let second = i64::try_from(number).unwrap();
        match step {
            Step::Stream(spec) => self.insist(|| store.create_stream(spec.clone())),
            Step::Table => {
                let (key, schema) = (vec!["key".to_owned()], table_schema());
                let spec = TableSpec { name: TABLE.to_owned(), key, schema, backend: Backend::Memory };
                self.insist(|| store.create_table(spec.clone())).map(drop)
            }
            Step::Put(key, value) => self.insist(|| store.put_record("test", key, value)),
            Step::Delete(key) => self.insist(|| store.delete_record("test", key)),
            Step::Commit(epochs) => self.commit(number, epochs),
            Step::Abandon(stream, partition) => {
                for frame in 0..12 {
                    self.append(stream, *partition, -1 - frame, second)?;
                }
                self.writers.remove(&(*stream, *partition));
                Ok(())
            }
            Step::Retain => {
                let now = Timestamp::from_unix_micros(second * 1_000_000);
                self.insist(|| store.apply_retention("short", now, &|_| None)).map(drop)
            }
            Step::Drop(stream) => {
                self.writers.retain(|(name, _), _| name != stream);
                // What is left of it after a crash is as good as dropped.
                if store.stream(stream).is_some() { self.insist(|| store.drop_stream(stream)) } else { Ok(()) }
            }
            Step::Forget(agent, record) => self.insist(|| store.forget_agent(agent, &[("test", record)])),
        }
    }

    fn insist<T>(&self, mut act: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
        loop {
            match act() {
                Err(StoreError::DiskFull { .. }) => (self.make_room)(),
                outcome => return outcome,
            }
        }
    }

    fn append(&mut self, stream: &'static str, partition: u32, first: i64, second: i64) -> Result<(), StoreError> {
        let key = (stream, partition);
        if !self.writers.contains_key(&key) {
            let writer = self.store.writer(stream, partition, "runner")?;
            self.writers.insert(key, writer);
        }
        let batch = if stream == CHANGELOG { table_rows(first..first + 10) } else { ids(first..first + 10) };
        let mut writer = self.writers.remove(&key).unwrap();
        let outcome = self.insist(|| writer.append(&batch, &at_second(second)));
        self.writers.insert(key, writer);
        outcome.map(drop)
    }

    fn commit(&mut self, number: usize, epochs: &[Epoch]) -> Result<(), StoreError> {
        let second = i64::try_from(number).unwrap();
        let mut group: Vec<CommitRequest> = Vec::new();
        for epoch in epochs {
            let mut request = bare(record(epoch.agent, epoch.generation, epoch.number));
            for (stream, partition, frames) in &epoch.writes {
                for frame in 0..*frames {
                    let first = second * 1_000 + i64::try_from(frame).unwrap() * 10;
                    self.append(stream, *partition, first, second)?;
                }
                let writer = self.writers.get_mut(&(*stream, *partition)).unwrap();
                let (dirty, dirs) = writer.take_dirty();
                request.record.outputs.push(writer.end());
                request.dirty.extend(dirty);
                request.dirty_dirs.extend(dirs);
            }
            self.snapshot(epoch, &mut request)?;
            request.record.finished = epoch.finished;
            request.record.extra = serde_json::json!({ "streams": ["short"] });
            group.push(request);
        }
        for outcome in self.insist(|| self.store.commit_group(&group))? {
            outcome?;
        }
        for request in &group {
            let record = &request.record;
            let durable = (record.generation, record.epoch);
            self.store.retain_snapshots(&record.agent, &record.snapshots, durable)?;
        }
        self.store.table(TABLE).map_or(Ok(0), |table| table.apply()).map(drop)
    }

    /// An agent's last two snapshots hold its state.
    fn snapshot(&self, epoch: &Epoch, request: &mut CommitRequest) -> Result<(), StoreError> {
        let last = self.store.last_commit(epoch.agent).map(|last| last.snapshots).unwrap_or_default();
        request.record.snapshots = last;
        if epoch.snapshot {
            let batch = ids([i64::try_from(epoch.number).unwrap()]);
            let sections = [Section { name: "0.state".to_owned(), full: false, batch }];
            let write = || self.store.write_snapshot(epoch.agent, epoch.generation, epoch.number, &sections);
            let (id, file, dir) = self.insist(write)?;
            request.record.snapshots.push(id);
            request.dirty.push(file);
            request.dirty_dirs.push(dir);
        }
        let excess = request.record.snapshots.len().saturating_sub(2);
        request.record.snapshots.drain(..excess);
        Ok(())
    }
}

/// What a store shows now.
pub(crate) fn view(store: &Store) -> Result<View, StoreError> {
    let mut view = View::default();
    for info in store.streams() {
        let name = &info.spec.name;
        if info.finished {
            view.rest.finished.push(name.clone());
        }
        for partition in 0..info.spec.partitions {
            view.rows.insert((name.clone(), partition), super::support::read_from(store, name, partition, 0)?);
        }
    }
    view.rest.records = store.records("test")?;
    for agent in ["first", "second:a", "third"] {
        let Some(mut commit) = store.last_commit(agent) else { continue };
        commit.outputs.iter_mut().for_each(|end| end.session = 0);
        for id in &commit.snapshots {
            let sections = store.read_snapshot(agent, id)?;
            let values = |section: &Section| section.batch.column(0).as_primitive::<Int64Type>().values().to_vec();
            view.rest.snapshots.extend(sections.iter().map(values));
        }
        // In another run the same epoch is another attempt.
        commit.snapshots.iter_mut().for_each(|id| id.truncate(31));
        view.rest.commits.push(commit);
    }
    if let Some(table) = store.table(TABLE) {
        let rows = table.scan(usize::MAX)?;
        let column = |index: usize| rows.column(index).as_primitive::<Int64Type>().values().to_vec();
        view.rest.table = column(0).into_iter().zip(column(1)).collect();
    }
    Ok(view)
}
