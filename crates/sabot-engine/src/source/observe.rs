//! Business metrics: an aggregate over each batch an agent reads, per combination of a few columns.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sabot_common::config::{BusinessMetric, BusinessMetricKind};
use sabot_runtime::JobError;
use sabot_sql::{Aggregation, Planner, SqlError};
use sabot_telemetry::{MetricDesc, MetricKind, Registry};

/// One declared metric, compiled.
pub(crate) struct Observer {
    description: MetricDesc,
    kind: BusinessMetricKind,
    aggregation: Arc<Aggregation>,
    labels: usize,
    registry: Registry,
}

impl Observer {
    pub(crate) fn compile(metric: &BusinessMetric, schema: &SchemaRef, registry: &Registry) -> Result<Self, SqlError> {
        let aggregation = Planner::batch_aggregate(schema, &metric.value, &metric.labels)?;
        let kind = match metric.kind {
            BusinessMetricKind::Counter => MetricKind::Counter,
            BusinessMetricKind::Gauge => MetricKind::Gauge,
        };
        let labels = metric.labels.clone();
        let description = MetricDesc::new(metric.name.clone(), kind, "Declared by an agent of the project.")
            .with_unit("1")
            .with_labels(labels)
            .with_component("business");
        let (kind, labels) = (metric.kind, metric.labels.len());
        Ok(Self { description, kind, aggregation, labels, registry: registry.clone() })
    }

    /// Adds a batch's values.
    pub(crate) fn observe(&self, batch: &RecordBatch) -> Result<(), JobError> {
        let failed = |error: &dyn std::fmt::Display| JobError::operator("metric", error);
        let mut table = self.aggregation.new_table().map_err(|error| failed(&error))?;
        table.update(batch).map_err(|error| failed(&error))?;
        let result = table.into_results().map_err(|error| failed(&error))?;
        let Some((value, keys)) = result.columns().split_last() else { return Ok(()) };
        let values = cast(value, &DataType::Float64).map_err(|error| failed(&error))?;
        let Some(values) = values.as_any().downcast_ref::<Float64Array>() else { return Ok(()) };
        let options = FormatOptions::default().with_null("");
        let keys = keys.iter().take(self.labels).map(|key| ArrayFormatter::try_new(key.as_ref(), &options));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
        for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
            let labels: Vec<String> = keys.iter().map(|key| key.value(row).to_string()).collect();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            match self.kind {
                BusinessMetricKind::Counter => {
                    self.registry.counter(&self.description, &labels).add_f64(values.value(row).max(0.0));
                }
                BusinessMetricKind::Gauge => self.registry.gauge(&self.description, &labels).set(values.value(row)),
            }
        }
        Ok(())
    }
}
