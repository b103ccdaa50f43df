//! What a file's rows become: columns, types, event time and derived columns, decided before anything runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sabot_common::config::{FileFormat, FileSource};
use sabot_common::suggest;
use sabot_sql::{Planner, event_time_type, plain_schema, plain_type};

use super::text::{TYPE_NAMES, type_named};
use super::{Chunks, Finisher, csv, jsonl, parquet};

/// A file and how its rows are decoded.
#[derive(Clone, Debug)]
pub(crate) struct FileShape {
    pub(crate) path: PathBuf,
    format: FileFormat,
    /// Columns as the file has them.
    raw: SchemaRef,
    finisher: Finisher,
    /// The event-time column.
    pub(crate) event_time: Option<usize>,
}

/// What a declaration asks of a file.
pub(crate) struct Wanted<'a> {
    pub(crate) event_time: Option<&'a str>,
    /// Columns that must not be null, with what they are for.
    pub(crate) required: Vec<(&'a str, &'static str)>,
    pub(crate) overrides: &'a BTreeMap<String, String>,
}

/// Looks at a file and decides what its rows become. Errors name the key at fault.
pub(crate) fn probe(dir: &Path, source: &FileSource, wanted: &Wanted<'_>) -> Result<FileShape, String> {
    let path = dir.join(&source.file);
    let format = source.resolved_format().ok_or_else(|| {
        format!(
            "source.file: cannot tell the format of {} from its extension; add `format: parquet`, csv or jsonl",
            path.display()
        )
    })?;
    if !path.is_file() {
        return Err(format!("source.file: {} does not exist", path.display()));
    }
    let raw = match format {
        FileFormat::Parquet => parquet::schema(&path),
        FileFormat::Csv => csv::infer(&path),
        FileFormat::Jsonl => jsonl::infer(&path),
    };
    let raw = with_overrides(&raw.map_err(|problem| format!("source.file: {problem}"))?, wanted.overrides, &path)?;
    let mut required = Vec::new();
    for (column, purpose) in &wanted.required {
        required.push((index_of(&raw, column, &path).map_err(|problem| format!("{purpose}: {problem}"))?, *purpose));
    }
    let event_time = wanted.event_time.map(|column| event_time_column(&raw, column, &path)).transpose()?;
    required.extend(event_time.map(|index| (index, "event_time")));
    let base = base_schema(&raw, event_time, &required);
    let (full, derived) = derived_columns(&base, source)?;
    let finisher = Finisher { required, event_time, derived, base, full };
    Ok(FileShape { path, format, raw, finisher, event_time })
}

impl FileShape {
    /// The columns of finished rows.
    pub(crate) const fn schema(&self) -> &SchemaRef {
        &self.finisher.full
    }

    /// The file's rows.
    pub(crate) fn open(&self) -> Result<Chunks, String> {
        let (raw, finisher) = (Arc::clone(&self.raw), self.finisher.clone());
        match self.format {
            FileFormat::Parquet => parquet::open(&self.path, finisher),
            FileFormat::Csv => csv::open(&self.path, raw, finisher),
            FileFormat::Jsonl => jsonl::open(&self.path, raw, finisher),
        }
    }

    /// How many rows it has, where the format says.
    pub(crate) fn known_rows(&self) -> Option<u64> {
        match self.format {
            FileFormat::Parquet => parquet::rows(&self.path),
            FileFormat::Csv | FileFormat::Jsonl => None,
        }
    }

    /// The index of a finished column.
    pub(crate) fn column(&self, name: &str) -> Result<usize, String> {
        index_of(self.schema(), name, &self.path)
    }
}

fn index_of(schema: &Schema, column: &str, path: &Path) -> Result<usize, String> {
    schema.index_of(column).map_err(|_unknown| {
        let near = suggest::hint(column, schema.fields().iter().map(|field| field.name().as_str()));
        format!("column \"{column}\" is not in {}{near}", path.display())
    })
}

fn event_time_column(raw: &Schema, column: &str, path: &Path) -> Result<usize, String> {
    let index = index_of(raw, column, path).map_err(|problem| format!("event_time: {problem}"))?;
    match plain_type(raw.field(index).data_type()) {
        DataType::Utf8 | DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Ok(index),
        other => Err(format!(
            "event_time: column \"{column}\" of {} is {other}; it must be a timestamp or RFC 3339 text",
            path.display()
        )),
    }
}

fn with_overrides(raw: &SchemaRef, overrides: &BTreeMap<String, String>, path: &Path) -> Result<SchemaRef, String> {
    let mut types = BTreeMap::new();
    for (column, type_name) in overrides {
        index_of(raw, column, path).map_err(|problem| format!("schema: {problem}"))?;
        let data_type = type_named(type_name).ok_or_else(|| {
            let near = suggest::hint(type_name, TYPE_NAMES);
            format!("schema: {column}: \"{type_name}\" is not a type ({}){near}", TYPE_NAMES.join(", "))
        })?;
        types.insert(column.clone(), data_type);
    }
    Ok(csv::override_types(raw, &types))
}

/// Plain types; event time an instant; required columns without nulls.
fn base_schema(raw: &SchemaRef, event_time: Option<usize>, required: &[(usize, &str)]) -> SchemaRef {
    let plain = plain_schema(raw);
    let fields = plain.fields().iter().enumerate().map(|(index, field)| {
        let data_type = if Some(index) == event_time { event_time_type() } else { field.data_type().clone() };
        let nullable = !required.iter().any(|(column, _)| *column == index);
        Field::new(field.name(), data_type, nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn derived_columns(base: &SchemaRef, source: &FileSource) -> Result<(SchemaRef, Vec<sabot_sql::Expr>), String> {
    let mut fields: Vec<Field> = base.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut exprs = Vec::new();
    for (name, sql) in &source.derive {
        if base.index_of(name).is_ok() {
            return Err(format!("source.derive: column \"{name}\" is in the file already"));
        }
        let expr = Planner::expression(base, sql).map_err(|error| format!("source.derive: {name}: {error}"))?;
        let data_type = expr.data_type(base).map_err(|error| format!("source.derive: {name}: {error}"))?;
        fields.push(Field::new(name, plain_type(&data_type), true));
        exprs.push(expr);
    }
    Ok((Arc::new(Schema::new(fields)), exprs))
}
