//! What a file's rows become: columns, types, event time and derived columns, decided before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sabot_common::config::{FileFormat, FileSource};
use sabot_common::suggest;
use sabot_sql::{Expr, Planner, event_time_type, plain_schema, plain_type};

use super::text::{TYPE_NAMES, type_named};
use super::{Chunks, Finisher, csv, jsonl, parquet};

/// A file and how its rows are decoded.
#[derive(Clone, Debug)]
pub(crate) struct FileShape {
    pub(crate) path: PathBuf,
    format: FileFormat,
    /// Columns as they are decoded.
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
    let (path, format) = located(dir, source)?;
    let found = columns_of(&path, format).map_err(|problem| format!("source.file: {problem}"))?;
    let raw = with_overrides(&found, wanted.overrides, format, &path)?;
    let names: Vec<&str> = raw.fields().iter().map(|f| f.name().as_str()).chain(derived_names(source)).collect();
    let mut required = Vec::new();
    for (column, purpose) in &wanted.required {
        required.push((index_of(&names, column, &path).map_err(|problem| format!("{purpose}: {problem}"))?, *purpose));
    }
    let event_time = wanted.event_time.map(|column| index_of(&names, column, &path)).transpose();
    let event_time = event_time.map_err(|problem| format!("event_time: {problem}"))?;
    required.extend(event_time.map(|index| (index, "event_time")));
    let layout = Layout { event_time, required: &required, path: &path };
    let base = layout.base(&raw)?;
    let (full, derived) = layout.derived(&base, source)?;
    let finisher = Finisher { required, event_time, derived, base, full };
    Ok(FileShape { path, format, raw, finisher, event_time })
}

impl FileShape {
    /// The columns of finished rows.
    pub(crate) const fn schema(&self) -> &SchemaRef {
        &self.finisher.full
    }

    /// How its rows are read.
    pub(crate) const fn format(&self) -> FileFormat {
        self.format
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
        let names: Vec<&str> = self.schema().fields().iter().map(|field| field.name().as_str()).collect();
        index_of(&names, name, &self.path)
    }
}

fn located(dir: &Path, source: &FileSource) -> Result<(PathBuf, FileFormat), String> {
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
    Ok((path, format))
}

/// The file's columns, no two of one name.
fn columns_of(path: &Path, format: FileFormat) -> Result<SchemaRef, String> {
    let found = match format {
        FileFormat::Parquet => parquet::schema(path),
        FileFormat::Csv => csv::infer(path),
        FileFormat::Jsonl => jsonl::infer(path),
    }?;
    let mut seen = BTreeSet::new();
    match found.fields().iter().find(|field| !seen.insert(field.name())) {
        Some(twice) => Err(format!("{} has two columns \"{}\"; rename one", path.display(), twice.name())),
        None => Ok(found),
    }
}

fn derived_names(source: &FileSource) -> impl Iterator<Item = &str> {
    source.derive.keys().map(String::as_str)
}

fn index_of(names: &[&str], column: &str, path: &Path) -> Result<usize, String> {
    names.iter().position(|name| *name == column).ok_or_else(|| {
        let near = suggest::hint(column, names.iter().copied());
        format!("column \"{column}\" is not in {}{near}", path.display())
    })
}

fn with_overrides(
    found: &SchemaRef,
    overrides: &BTreeMap<String, String>,
    format: FileFormat,
    path: &Path,
) -> Result<SchemaRef, String> {
    let names: Vec<&str> = found.fields().iter().map(|field| field.name().as_str()).collect();
    let mut fields: Vec<Field> = found.fields().iter().map(|field| field.as_ref().clone()).collect();
    for (column, type_name) in overrides {
        let wanted = type_named(type_name).ok_or_else(|| {
            let near = suggest::hint(type_name, TYPE_NAMES);
            format!("schema: {column}: \"{type_name}\" is not a type ({}){near}", TYPE_NAMES.join(", "))
        })?;
        let index = index_of(&names, column, path).map_err(|problem| format!("schema: {problem}"))?;
        if let Some(field) = fields.get_mut(index) {
            check_override(field, &wanted, format, path).map_err(|problem| format!("schema: {problem}"))?;
            *field = field.clone().with_data_type(wanted);
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Whether a column can be read as another type at all.
fn check_override(field: &Field, wanted: &DataType, format: FileFormat, path: &Path) -> Result<(), String> {
    let (name, plain) = (field.name(), plain_type(field.data_type()));
    if *wanted == event_time_type() && plain.is_numeric() {
        return Err(format!(
            "column \"{name}\" of {} holds numbers ({plain}), which do not say whether they are seconds, milliseconds or \
             microseconds; {}",
            path.display(),
            derive_advice(name)
        ));
    }
    // Text formats hold text whatever was inferred from it.
    if format == FileFormat::Parquet && !can_cast_types(&plain, wanted) {
        return Err(format!("column \"{name}\" of {} is {plain}, which cannot become {wanted}", path.display()));
    }
    Ok(())
}

fn derive_advice(column: &str) -> String {
    format!(
        "add an instant with source.derive, such as `{column}_at: to_timestamp_seconds({column})` (or \
         to_timestamp_millis, to_timestamp_micros), and use that"
    )
}

/// What becomes of columns, those of the file and derived ones alike.
struct Layout<'a> {
    event_time: Option<usize>,
    required: &'a [(usize, &'static str)],
    path: &'a Path,
}

impl Layout<'_> {
    /// Plain types; event time an instant; required columns without nulls.
    fn base(&self, raw: &SchemaRef) -> Result<SchemaRef, String> {
        let plain = plain_schema(raw);
        let fields = plain.fields().iter().enumerate();
        let fields = fields.map(|(index, field)| self.field(index, field.name(), field.data_type()));
        Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, _>>()?)))
    }

    fn derived(&self, base: &SchemaRef, source: &FileSource) -> Result<(SchemaRef, Vec<Expr>), String> {
        let mut fields: Vec<Field> = base.fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut exprs = Vec::new();
        for (name, sql) in &source.derive {
            if base.index_of(name).is_ok() {
                return Err(format!("source.derive: column \"{name}\" is in the file already"));
            }
            let expr = Planner::expression(base, sql).map_err(|error| format!("source.derive: {name}: {error}"))?;
            let data_type = expr.data_type(base).map_err(|error| format!("source.derive: {name}: {error}"))?;
            fields.push(self.field(fields.len(), name, &plain_type(&data_type))?);
            exprs.push(expr);
        }
        Ok((Arc::new(Schema::new(fields)), exprs))
    }

    fn field(&self, index: usize, name: &str, plain: &DataType) -> Result<Field, String> {
        let nullable = !self.required.iter().any(|(column, _)| *column == index);
        if self.event_time != Some(index) {
            return Ok(Field::new(name, plain.clone(), nullable));
        }
        match plain {
            DataType::Utf8 | DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                Ok(Field::new(name, event_time_type(), nullable))
            }
            other => {
                let advice = if other.is_numeric() { format!("; {}", derive_advice(name)) } else { String::new() };
                Err(format!(
                    "event_time: column \"{name}\" of {} is {other}; it must be a timestamp or RFC 3339 text{advice}",
                    self.path.display()
                ))
            }
        }
    }
}
