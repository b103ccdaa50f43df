//! Keys in one form: what is equal is the same.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

/// A key column with one form for each value, as its bytes are compared and hashed: zero has no sign, and there is one
/// value that is not a number.
pub fn canonical_key(key: &ArrayRef) -> ArrayRef {
    match key.data_type() {
        DataType::Float32 => {
            let one_form = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            let keys: PrimitiveArray<Float32Type> = key.as_primitive::<Float32Type>().unary(one_form);
            Arc::new(keys)
        }
        DataType::Float64 => {
            let one_form = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            let keys: PrimitiveArray<Float64Type> = key.as_primitive::<Float64Type>().unary(one_form);
            Arc::new(keys)
        }
        _ => Arc::clone(key),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, Int64Array};
    use arrow::row::{RowConverter, SortField};

    use super::canonical_key;

    #[test]
    fn what_is_equal_has_the_same_bytes() {
        let other_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 7);
        let keys: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(0.0),
            Some(-0.0),
            None,
            Some(f64::NAN),
            Some(other_nan),
            Some(-1.5),
        ]));
        let rows = RowConverter::new(vec![SortField::new(keys.data_type().clone())]).expect("a converter");
        let rows = rows.convert_columns(&[canonical_key(&keys)]).expect("rows");
        assert_eq!(rows.row(0), rows.row(1));
        assert_eq!(rows.row(3), rows.row(4));
        assert!(canonical_key(&keys).is_null(2));
        let narrow: ArrayRef = Arc::new(Float32Array::from(vec![-0.0]));
        assert_eq!(canonical_key(&narrow).as_ref(), &Float32Array::from(vec![0.0]) as &dyn Array);
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(Arc::ptr_eq(&canonical_key(&whole), &whole), "nothing is copied");
    }
}
