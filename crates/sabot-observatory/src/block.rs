//! Blocks: immutable Parquet files of spans, sorted by trace and start.
//!
//! Invariant: a block appears under its name complete and synced, or not at all, and never changes afterwards. Its file
//! metadata says all the store needs to know after a restart, also which older blocks it stands in for.

mod merge;
mod operations;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use sabot_common::clock::Timestamp;

use crate::StoreError;
use crate::schema::block_schema;
pub(crate) use merge::merge;
use operations::KnownOperations;
pub(crate) use operations::Operations;

/// The version of the format this code reads and writes.
pub(crate) const FORMAT_VERSION: &str = "1";

const VERSION_KEY: &str = "sabot.format_version";
const TIER_KEY: &str = "sabot.tier";
const OLDEST_KEY: &str = "sabot.oldest_write_unix_nano";
const NEWEST_KEY: &str = "sabot.newest_write_unix_nano";
const REPLACES_KEY: &str = "sabot.replaces";

const EXTENSION: &str = "parquet";
const TEMPORARY_EXTENSION: &str = "tmp";

/// Rows of a row group: few enough that looking a trace up decodes little.
const ROW_GROUP_ROWS: usize = 16_384;
/// Buffers of a row group.
const ROW_GROUP_BYTES: usize = 16 << 20;
/// Rows of a page, the unit the page index skips.
const PAGE_ROWS: usize = 2_048;
/// Rows handed to the Parquet writer at once.
const CHUNK_ROWS: usize = 1_024;
/// Share of lookups that open a row group in vain.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// What a block says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Position in the order of writing; also the file's name.
    pub(crate) sequence: u64,
    /// How often its rows have been merged.
    pub(crate) tier: u8,
    /// When its oldest rows were first written.
    pub(crate) oldest: Timestamp,
    /// When its newest rows were first written. Ages by this, not by what spans say, so no span lives for ever.
    pub(crate) newest: Timestamp,
    /// Blocks whose rows it holds and which must not be read beside it.
    pub(crate) replaces: Vec<u64>,
}

/// A block on disk.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) operations: KnownOperations,
}

/// What a file in the directory is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A block with this sequence number.
    Block(u64),
    /// What a crash left of a block being written.
    Temporary,
    /// Not ours.
    Foreign,
}

impl FileKind {
    pub(crate) fn of(path: &Path) -> Self {
        let sequence = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        match (sequence, path.extension().and_then(|extension| extension.to_str())) {
            (Some(sequence), Some(EXTENSION)) => Self::Block(sequence),
            (Some(_), Some(TEMPORARY_EXTENSION)) => Self::Temporary,
            _ => Self::Foreign,
        }
    }
}

impl Block {
    /// Reads a block's footer.
    pub(crate) fn open(path: &Path, sequence: u64) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open the block", path))?;
        let bytes = file.metadata().map_err(StoreError::io("read the block's size", path))?.len();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(StoreError::parquet(path))?;
        Self::described(path, sequence, bytes, &metadata)
    }

    fn described(path: &Path, sequence: u64, bytes: u64, metadata: &ParquetMetaData) -> Result<Self, StoreError> {
        let file = metadata.file_metadata();
        let value = |key: &str| {
            let pairs = file.key_value_metadata().into_iter().flatten();
            pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref())
        };
        let found = value(VERSION_KEY).unwrap_or("none");
        if found != FORMAT_VERSION {
            let (path, found) = (path.to_owned(), found.to_owned());
            return Err(StoreError::Version { path, found, supported: FORMAT_VERSION });
        }
        let number = |key: &'static str| {
            let text = value(key).unwrap_or_default();
            text.parse::<i64>().ok().ok_or_else(|| unreadable(path, key, text))
        };
        let header = Header {
            sequence,
            tier: u8::try_from(number(TIER_KEY)?).unwrap_or(u8::MAX),
            oldest: Timestamp::from_unix_nanos(number(OLDEST_KEY)?),
            newest: Timestamp::from_unix_nanos(number(NEWEST_KEY)?),
            replaces: sequences(path, value(REPLACES_KEY).unwrap_or_default())?,
        };
        let rows = u64::try_from(file.num_rows()).unwrap_or(0);
        Ok(Self { header, path: path.to_owned(), bytes, rows, operations: KnownOperations::new() })
    }
}

fn unreadable(path: &Path, key: &'static str, value: &str) -> StoreError {
    StoreError::Metadata { path: path.to_owned(), key, value: value.to_owned() }
}

fn sequences(path: &Path, list: &str) -> Result<Vec<u64>, StoreError> {
    let parse = |text: &str| text.parse().ok().ok_or_else(|| unreadable(path, REPLACES_KEY, list));
    list.split(',').filter(|text| !text.is_empty()).map(parse).collect()
}

/// A block that is being filled.
pub(crate) struct Sink {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl Sink {
    /// Adds rows.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        self.writer.write(rows).map_err(StoreError::parquet(&self.path))
    }

    /// Adds the rows at these positions, given as batch and row.
    fn write(&mut self, batches: &[&RecordBatch], positions: &[(usize, usize)]) -> Result<(), StoreError> {
        self.add(&interleave_record_batch(batches, positions)?)
    }
}

/// Writes a block: `fill` brings the rows in order. On an error nothing is left behind.
pub(crate) fn write(
    dir: &Path,
    header: Header,
    fill: impl FnOnce(&mut Sink) -> Result<(), StoreError>,
) -> Result<Block, StoreError> {
    let path = dir.join(format!("{:016}.{EXTENSION}", header.sequence));
    let temporary = path.with_extension(TEMPORARY_EXTENSION);
    let written = write_temporary(&temporary, &header, fill).and_then(|(bytes, rows)| {
        fs::rename(&temporary, &path).map_err(StoreError::io("put the block in place", &path))?;
        sync_directory(dir)?;
        Ok(Block { header, path, bytes, rows, operations: KnownOperations::new() })
    });
    if written.is_err()
        && let Err(error) = fs::remove_file(&temporary)
    {
        // Removed at the next start; most often it was never created.
        tracing::debug!("{}: not removed: {error}", temporary.display());
    }
    written
}

fn write_temporary(
    temporary: &Path,
    header: &Header,
    fill: impl FnOnce(&mut Sink) -> Result<(), StoreError>,
) -> Result<(u64, u64), StoreError> {
    let file = File::create(temporary).map_err(StoreError::io("create a block", temporary))?;
    let writer = ArrowWriter::try_new(file, block_schema(), Some(properties(header)));
    let mut sink = Sink { path: temporary.to_owned(), writer: writer.map_err(StoreError::parquet(temporary))? };
    fill(&mut sink)?;
    let metadata = sink.writer.finish().map_err(StoreError::parquet(temporary))?;
    let written = sink.writer.inner();
    written.sync_all().map_err(StoreError::io("sync the block", temporary))?;
    let bytes = written.metadata().map_err(StoreError::io("read the block's size", temporary))?.len();
    Ok((bytes, u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0)))
}

fn properties(header: &Header) -> WriterProperties {
    let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let replaces = header.replaces.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let trace_id = ColumnPath::from(TRACE_ID.1);
    let ascending = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let mut builder = WriterProperties::builder();
    // Maps and lists are never looked for by their smallest and largest key.
    builder = builder.set_statistics_enabled(EnabledStatistics::None);
    for field in block_schema().fields().iter().filter(|field| !field.data_type().is_nested()) {
        let column = ColumnPath::from(field.name().as_str());
        builder = builder.set_column_statistics_enabled(column, EnabledStatistics::Page);
    }
    // Nearly unique values gain nothing from a dictionary, which takes a hash of each.
    for (column, encoding) in WITHOUT_DICTIONARY {
        let column = ColumnPath::from(column.split('.').map(str::to_owned).collect::<Vec<_>>());
        builder = builder.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, encoding);
    }
    // A new block is merged into a larger one soon.
    let compression = if header.tier == 0 { Compression::LZ4_RAW } else { Compression::ZSTD(ZstdLevel::default()) };
    builder
        .set_compression(compression)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_column_bloom_filter_fpp(trace_id.clone(), BLOOM_FALSE_POSITIVES)
        .set_column_bloom_filter_max_ndv(trace_id, ROW_GROUP_ROWS as u64)
        .set_sorting_columns(Some(vec![ascending(TRACE_ID.0), ascending(START.0)]))
        .set_key_value_metadata(Some(vec![
            pair(VERSION_KEY, FORMAT_VERSION.to_owned()),
            pair(TIER_KEY, header.tier.to_string()),
            pair(OLDEST_KEY, header.oldest.unix_nanos().to_string()),
            pair(NEWEST_KEY, header.newest.unix_nanos().to_string()),
            pair(REPLACES_KEY, replaces),
        ]))
        .build()
}

/// Positions of the columns blocks are sorted by; the columns before them are flat, so leaves count the same.
const TRACE_ID: (i32, &str) = (0, "trace_id");
/// See [`TRACE_ID`].
const START: (i32, &str) = (9, "start_unix_nano");

/// Columns of nearly unique values, and how they are written instead.
const WITHOUT_DICTIONARY: [(&str, Encoding); 9] = [
    (TRACE_ID.1, Encoding::DELTA_BYTE_ARRAY),
    ("span_id", Encoding::PLAIN),
    ("parent_span_id", Encoding::PLAIN),
    ("started_at", Encoding::DELTA_BINARY_PACKED),
    (START.1, Encoding::DELTA_BINARY_PACKED),
    ("end_unix_nano", Encoding::DELTA_BINARY_PACKED),
    ("duration_ms", Encoding::PLAIN),
    ("links.list.element.trace_id", Encoding::PLAIN),
    ("links.list.element.span_id", Encoding::PLAIN),
];

/// Makes names that were added to or removed from a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync the directory", dir))
}

fn required<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("column \"{name}\" is missing")))
}

/// The columns a block is sorted by.
fn sort_key(batch: &RecordBatch) -> Result<(&StringArray, &Int64Array), ArrowError> {
    let trace_id = required(batch, TRACE_ID.1)?.as_string_opt();
    let start = required(batch, START.1)?.as_primitive_opt::<Int64Type>();
    trace_id.zip(start).ok_or_else(|| ArrowError::SchemaError("the sort columns have unexpected types".to_owned()))
}
