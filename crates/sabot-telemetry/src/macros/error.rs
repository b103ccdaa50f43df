//! Errors of traced functions: which trait's method is meant is settled as for [fields](super::field).

use std::error::Error;
use std::fmt::Display;

use crate::ambient::{Failure, Operation};

/// The error of a traced function.
#[derive(Debug)]
pub struct ErrorRef<'a, E: ?Sized>(pub &'a E);

/// An error with a type, a message and causes.
pub trait ViaError {
    /// Marks the operation as failed.
    fn mark(&self, operation: &Operation);
}

impl<E: Error + ?Sized> ViaError for &ErrorRef<'_, E> {
    fn mark(&self, operation: &Operation) {
        operation.record_exception(self.0);
    }
}

/// Something that can be read.
pub trait ViaDisplay {
    /// Marks the operation as failed.
    fn mark(&self, operation: &Operation);
}

impl<E: Display + ?Sized> ViaDisplay for &&ErrorRef<'_, E> {
    fn mark(&self, operation: &Operation) {
        operation.fail_with(|| Failure::displayed(self.0));
    }
}

/// Something that failed, without a word.
pub trait ViaNothing {
    /// Marks the operation as failed.
    fn mark(&self, operation: &Operation);
}

impl<E: ?Sized> ViaNothing for ErrorRef<'_, E> {
    fn mark(&self, operation: &Operation) {
        operation.fail_with(Failure::unknown::<E>);
    }
}
