//! The sources of stream agents.

pub(crate) mod file;
pub(crate) mod intake;
pub(crate) mod lateness;
pub(crate) mod observe;
pub(crate) mod stream;
