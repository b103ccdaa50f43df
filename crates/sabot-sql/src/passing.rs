//! Functions that hand on what they are given, and only look at it. A column keeps its name behind one.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// What looks at values.
pub(crate) trait Watch: fmt::Debug + Eq + Hash + Send + Sync + 'static {
    /// What plans call it.
    const NAME: &'static str;

    /// Looks at the values of a batch of this many rows; an error ends the query.
    fn look(&self, values: &ColumnarValue, rows: usize) -> Result<()>;
}

/// The function of a watch.
pub(crate) fn function(watch: impl Watch) -> Arc<ScalarUDF> {
    Arc::new(Passing { watch, signature: Signature::any(1, Volatility::Immutable) }.into())
}

/// An expression behind one.
pub(crate) fn watched(function: &Arc<ScalarUDF>, expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), vec![expr]))
}

/// Whether a function is one of these.
pub(crate) fn is<W: Watch>(function: &ScalarUDF) -> bool {
    function.inner().is::<Passing<W>>()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Passing<W> {
    watch: W,
    signature: Signature,
}

impl<W: Watch> ScalarUDFImpl for Passing<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|arg| arg.schema_name().to_string()).collect())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        arg_types.first().cloned().ok_or_else(|| internal_datafusion_err!("{} has one argument", W::NAME))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return internal_err!("{} has one argument", W::NAME) };
        Ok(FieldRef::clone(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(values) = args.args.into_iter().next() else { return internal_err!("{} has one argument", W::NAME) };
        self.watch.look(&values, rows)?;
        Ok(values)
    }
}
