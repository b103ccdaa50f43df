//! The server: wires storage, engine and telemetry together and shows them to the world.
//!
//! The only crate that knows all others. In the order things happen:
//!
//! 1. [`Server::start`] loads the project (failing before anything is bound), opens the store, starts telemetry.
//! 2. `platform` turns declarations into running jobs, and keeps them: agents come, stop, start and go.
//! 3. `api` answers requests, one file per family, over `listen`'s connections; `ui` serves the pages; `monitor` samples rates once a second,
//!    `housekeeping` retires rows.
//! 4. [`Server::stop`] drains: jobs commit what is in flight, spans are written, the lock is released.

mod api;
mod check;
mod disk;
mod doctor;
mod error;
mod housekeeping;
mod listen;
mod monitor;
mod options;
mod platform;
mod process;
mod relations;
mod server;
mod telemetry;
mod ui;

pub use check::{CheckedAgent, CheckedProject, check_agent, check_project};
pub use error::{ServerError, ServerErrorKind};
pub use options::UpOptions;
pub use server::{AgentSummary, Failure, Reading, Server, SourceSummary, Started};
