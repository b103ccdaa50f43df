//! Parquet files together with the rows that are not in a file yet.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;

/// Files and recent rows as one table.
#[derive(Debug)]
struct FilesAndRecent {
    schema: SchemaRef,
    files: ListingTable,
    recent: MemTable,
}

/// A table over `files` and `recent`.
pub(super) fn provider(
    schema: SchemaRef,
    files: &[PathBuf],
    recent: Vec<RecordBatch>,
) -> Result<Arc<dyn TableProvider>> {
    let recent = MemTable::try_new(Arc::clone(&schema), vec![recent])?;
    if files.is_empty() {
        return Ok(Arc::new(recent));
    }
    let urls = files.iter().map(|file| ListingTableUrl::parse(file.to_string_lossy())).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    let files = ListingTable::try_new(config.with_schema(Arc::clone(&schema)))?;
    Ok(Arc::new(FilesAndRecent { schema, files, recent }))
}

#[async_trait]
impl TableProvider for FilesAndRecent {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Row groups are skipped by their statistics; rows are filtered above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.files.scan(state, projection, filters, limit).await?;
        let recent = self.recent.scan(state, projection, filters, limit).await?;
        UnionExec::try_new(vec![files, recent])
    }
}
