//! How much rows are.

use arrow::array::{Array, RecordBatch};

/// Bytes of what a batch shows. What it holds on to can be far more: slices of a batch share all of its memory.
pub fn size_of_rows(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::size_of_rows;

    #[test]
    fn a_slice_is_as_large_as_its_rows() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..1_000).map(|_| "four")));
        let rows = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).expect("a batch");
        assert!((16_000..16_100).contains(&size_of_rows(&rows)), "{}", size_of_rows(&rows));
        assert!((160..170).contains(&size_of_rows(&rows.slice(500, 10))), "{}", size_of_rows(&rows.slice(500, 10)));
    }
}
