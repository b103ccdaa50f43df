//! Asking targets whether they would take anything, without sending anything.

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::batch::Batch;
use super::exporter::ExporterError;
use super::transport;
use crate::config::{ExportersConfig, Signal, Target};
use crate::logs;

/// What a target answered to a request with nothing in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probed {
    /// The target's name.
    pub name: String,
    /// Why it would not take telemetry, if it would not.
    pub problem: Option<String>,
    /// How long the answer took.
    pub took: Duration,
}

/// Sends each target a request of its own kind that holds nothing, over a connection of its own, and says what came of it,
/// in the order of the targets. Addresses, certificates, headers and protocols are tried as they would be used. Blocks,
/// for about `within` at most.
pub fn probe_targets(exporters: &ExportersConfig, within: Duration) -> Result<Vec<Probed>, ExporterError> {
    exporters.check()?;
    // A runtime must not begin on a thread that runs another.
    let probing = || {
        logs::suppress_on_this_thread();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ExporterError::Thread)?;
        let probed = runtime.block_on(probe_all(&exporters.targets, within));
        runtime.shutdown_background();
        Ok(probed)
    };
    thread::scope(|scope| scope.spawn(probing).join())
        .unwrap_or_else(|_panic| Err(ExporterError::Thread(std::io::Error::other("it ended by a panic"))))
}

async fn probe_all(targets: &[Target], within: Duration) -> Vec<Probed> {
    let mut probing = JoinSet::new();
    for (place, target) in targets.iter().cloned().enumerate() {
        probing.spawn(async move {
            let start = Instant::now();
            let asked = timeout(within, ask(&target)).await;
            let problem = asked.unwrap_or_else(|_| Some(format!("no answer within {} ms", within.as_millis())));
            (place, Probed { name: target.name, problem, took: start.elapsed() })
        });
    }
    let mut probed = probing.join_all().await;
    probed.sort_by_key(|(place, _)| *place);
    probed.into_iter().map(|(_, probed)| probed).collect()
}

async fn ask(target: &Target) -> Option<String> {
    let signal = Signal::ALL.into_iter().find(|signal| target.takes(*signal))?;
    // What is without content is a request as well.
    let nothing = Batch { signal, items: 0, payload: Bytes::new() };
    match transport::connect(target) {
        Ok(transport) => transport.send(&nothing).await.err().map(|error| error.problem().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}
