//! Reading a file as a source: decoded in chunks, rows that do not fit set aside, replayed at the speed asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use sabot_common::clock::SharedClock;
use sabot_common::config::{OnError, StreamConfig};
use sabot_common::units::Speed;
use sabot_runtime::{Envelope, JobError, Lateness, Position, Route, Source, SourcePoll, WATERMARK_NONE};
use serde::{Deserialize, Serialize};

use crate::partition::KeyHash;

mod chunk;
mod convert;
mod csv;
mod dead;
mod fingerprint;
mod jsonl;
mod lines;
mod memory;
mod ordered;
mod pace;
mod parquet;
mod schema;
mod text;

pub(crate) use chunk::{Chunk, Finisher};
pub(crate) use dead::{DeadRow, dead_schema};
pub(crate) use fingerprint::{Fingerprint, Settings};
pub use memory::SortMemory;
pub(crate) use schema::{FileShape, Wanted, probe};

/// Rows given at a time.
const BATCH_ROWS: usize = 8_192;
/// Bytes of dead rows given at a time.
const DEAD_BYTES: usize = 8 << 20;
/// Rows decoded together.
const CHUNK_ROWS: usize = 8_192;
/// Bytes of a file decoded together, and at most one record more: an Arrow column holds 2 GiB of text.
const CHUNK_BYTES: usize = 8 << 20;
/// Rows of a text file looked at to infer types.
const INFER_ROWS: usize = 1_000;

/// Chunks of a file one after another.
pub(crate) type Chunks = Box<dyn Iterator<Item = Result<Chunk, String>> + Send>;

/// A file to read as a source.
pub(crate) struct FileSourceSpec {
    /// The stream or table it fills, for messages.
    pub(crate) owner: String,
    pub(crate) shape: FileShape,
    pub(crate) speed: Speed,
    pub(crate) order_by: Option<usize>,
    pub(crate) on_error: OnError,
    /// How rows find their partition.
    pub(crate) partitioning: Partitioning,
    /// Memory for files that must be sorted.
    pub(crate) memory: SortMemory,
    /// Settings that decide which rows there are, their order and their partition.
    pub(crate) settings: Settings,
    pub(crate) clock: SharedClock,
}

/// How rows find their partition.
pub(crate) enum Partitioning {
    /// Runs of rows, by position.
    Runs(u32),
    /// By the hash of a column.
    Key(KeyHash, usize),
}

/// Where a file source stands, as its commit record holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePosition {
    /// Good rows given.
    pub(crate) rows: u64,
    /// Bad rows given.
    pub(crate) dead: u64,
    /// What was read, and how: the counts mean nothing for another file or order.
    pub(crate) file: Fingerprint,
}

/// A file being read.
pub(crate) struct FileSource {
    spec: FileSourceSpec,
    chunks: Chunks,
    /// Rows decoded and not yet given.
    current: Option<RecordBatch>,
    dead: VecDeque<DeadRow>,
    position: FilePosition,
    /// Rows and bad rows to pass over after a restart.
    skip: FilePosition,
    pace: pace::Pace,
    /// Good and bad rows of the file, where it says how many it has.
    total_rows: Option<u64>,
}

impl FileSource {
    /// Opens the file and goes on behind `done`.
    pub(crate) fn open(spec: FileSourceSpec, done: Option<FilePosition>) -> Result<Self, JobError> {
        let failed = JobError::Source;
        let file = Fingerprint::of(&spec.shape.path, spec.settings.clone()).map_err(failed)?;
        let skip = done.unwrap_or_else(|| FilePosition { file: file.clone(), ..FilePosition::default() });
        if let Some(changes) = file.changes_since(&skip.file) {
            return Err(failed(format!(
                "cannot go on in {} behind row {}: {changes}; put it back, or start afresh with --fresh",
                spec.shape.path.display(),
                skip.rows
            )));
        }
        let chunks = spec.shape.open().map_err(failed)?;
        let (chunks, good_rows, total_rows) = if let Some(column) = spec.order_by {
            let (path, schema) = (spec.shape.path.as_path(), spec.shape.schema());
            let order = ordered::Order { path, schema, column, memory: &spec.memory };
            let ordered = order.read(chunks).map_err(failed)?;
            let (good, all) = (ordered.rows, ordered.rows + ordered.dead_rows());
            (ordered.into_chunks(), Some(good), Some(all))
        } else {
            // Which of them are good is not known before they are read; most are, which is near enough for the pace.
            let rows = spec.shape.known_rows();
            (chunks, rows, rows)
        };
        let paced_rows = match (good_rows, spec.speed) {
            (None, Speed::Over(_)) => Some(lines::count(&spec.shape.path).map_err(failed)?),
            (known, _) => known,
        };
        let pace = pace::Pace::new(spec.speed, spec.order_by.or(spec.shape.event_time), paced_rows, &spec.clock);
        let position = FilePosition { rows: 0, dead: 0, file };
        Ok(Self { spec, chunks, current: None, dead: VecDeque::new(), position, skip, pace, total_rows })
    }

    /// Makes sure there are rows to give, or that the file is at its end.
    fn load(&mut self) -> Result<(), JobError> {
        while self.current.is_none() && self.dead.is_empty() {
            let Some(chunk) = self.chunks.next() else { return Ok(()) };
            let chunk = chunk.map_err(|problem| self.failed(&problem))?;
            self.current = self.skip_rows(chunk.rows);
            self.dead = self.skip_dead(chunk.dead);
            if let (OnError::Fail, Some(first)) = (self.spec.on_error, self.dead.front()) {
                return Err(self.failed(&format!(
                    "{}:{}: {}; set on_error to skip or dead_letter, or mend the row and start afresh with --fresh",
                    self.spec.shape.path.display(),
                    first.line,
                    first.error
                )));
            }
        }
        Ok(())
    }

    fn failed(&self, problem: &str) -> JobError {
        JobError::Source(format!("{}: {problem}", self.spec.owner))
    }

    fn skip_rows(&mut self, rows: RecordBatch) -> Option<RecordBatch> {
        let count = rows.num_rows() as u64;
        let skipped = self.skip.rows.saturating_sub(self.position.rows).min(count);
        self.position.rows += skipped;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        Some(rows.slice(skipped, rows.num_rows() - skipped)).filter(|rest| rest.num_rows() > 0)
    }

    fn skip_dead(&mut self, dead: Vec<DeadRow>) -> VecDeque<DeadRow> {
        let skipped = self.skip.dead.saturating_sub(self.position.dead).min(dead.len() as u64);
        self.position.dead += skipped;
        dead.into_iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).collect()
    }

    /// The next rows that are due, cut at run boundaries into one envelope per run or key partition.
    fn give(&mut self, rows: RecordBatch, out: &mut Vec<Envelope>) -> Result<(), JobError> {
        match &self.spec.partitioning {
            Partitioning::Runs(partitions) => {
                let mut at = 0;
                while at < rows.num_rows() {
                    let row = self.position.rows + at as u64;
                    let left_in_run = StreamConfig::ROWS_PER_RUN - row % StreamConfig::ROWS_PER_RUN;
                    let take = usize::try_from(left_in_run).unwrap_or(usize::MAX).min(rows.num_rows() - at);
                    let partition = (row / StreamConfig::ROWS_PER_RUN) % u64::from(*partitions);
                    out.push(self.envelope(rows.slice(at, take), u32::try_from(partition).unwrap_or(0), Route::Main));
                    at += take;
                }
            }
            Partitioning::Key(hash, column) => {
                let keys = [Arc::clone(rows.column(*column))];
                let parts = hash.split(&keys, &rows).map_err(|error| self.failed(&error.to_string()))?;
                out.extend(parts.into_iter().map(|(partition, rows)| self.envelope(rows, partition, Route::Main)));
            }
        }
        self.position.rows += rows.num_rows() as u64;
        Ok(())
    }

    fn envelope(&self, batch: RecordBatch, partition: u32, route: Route) -> Envelope {
        let arrived_at = self.spec.clock.now();
        Envelope { batch, partition, route, lateness: Lateness::OnTime, arrived_at, trace: None, links: Vec::new() }
    }

    fn give_dead(&mut self, out: &mut Vec<Envelope>) -> Result<(), JobError> {
        let mut given = Vec::new();
        let mut bytes = 0;
        while bytes < DEAD_BYTES
            && let Some(row) = self.dead.pop_front()
        {
            bytes += row.size_bytes();
            given.push(row);
        }
        if !given.is_empty() {
            let batch = dead::dead_batch(&self.spec.shape.path, &given);
            let batch = batch.map_err(|error| self.failed(&error.to_string()))?;
            self.position.dead += given.len() as u64;
            out.push(self.envelope(batch, 0, Route::Dead));
        }
        Ok(())
    }
}

impl Source for FileSource {
    fn poll(&mut self) -> Result<SourcePoll, JobError> {
        self.load()?;
        let mut out = Vec::new();
        self.give_dead(&mut out)?;
        if let Some(rows) = self.current.take() {
            let due = self.pace.due(&rows, self.position.rows).min(BATCH_ROWS);
            if due > 0 {
                self.give(rows.slice(0, due), &mut out)?;
            }
            self.current = Some(rows.slice(due, rows.num_rows() - due)).filter(|rest| rest.num_rows() > 0);
            if due == 0 && out.is_empty() {
                return Ok(SourcePoll::WaitFor(pace::TICK));
            }
        }
        Ok(if out.is_empty() { SourcePoll::End } else { SourcePoll::Rows(out) })
    }

    fn watermark(&self) -> i64 {
        WATERMARK_NONE
    }

    fn position(&self) -> Position {
        Position { inputs: Vec::new(), extra: serde_json::to_value(&self.position).ok() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    fn progress(&self) -> Option<f64> {
        let given = self.position.rows + self.position.dead;
        self.total_rows.map(|total| if total == 0 { 1.0 } else { given as f64 / total as f64 })
    }
}
