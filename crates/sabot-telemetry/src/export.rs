//! Sending telemetry to others, without ever holding up the program it is about.
//!
//! The flow, in order:
//!
//! 1. Ended spans, log records and, from time to time, all metrics are handed to an [`Exporter`], by way of an [`Outlet`]
//!    where it may be exchanged. It gathers them into batches and encodes each batch once, as an OTLP request.
//! 2. Every [route](route) has a bounded [queue](queue): in memory, and behind it on disk where a directory is given.
//! 3. A thread of the exporter's own, with a runtime of its own, takes the oldest batch of each route to the first target
//!    that works, by way of its [transport](transport). So it needs no runtime of the program, and cannot block one.
//!
//! Invariant: everything accepted has been sent, is queued, or is counted as dropped with the reason; see
//! [`LedgerCounts`].

mod batch;
mod breaker;
mod exporter;
mod gathering;
mod ledger;
mod meters;
mod otlp;
mod outlet;
mod probe;
mod queue;
mod route;
mod spill;
mod transport;

pub use self::breaker::Circuit;
pub use self::exporter::{Exporter, ExporterError, ExporterStatus, OrphanedQueue, RouteStatus, orphaned_queues};
pub use self::ledger::{DropReason, LedgerCounts};
pub use self::outlet::Outlet;
pub use self::probe::{Probed, probe_targets};
