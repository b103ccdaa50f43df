//! What streams need not keep any more goes, every few seconds, until the server closes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::platform::Platform;

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(5);

/// Runs rounds until `closed`. A round that fails is told once and tried again.
pub(crate) async fn run(platform: Arc<Platform>, mut closed: watch::Receiver<bool>) {
    let mut rounds = tokio::time::interval(INTERVAL);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            biased;
            // An error means the server is gone, which closes it too.
            _ = closed.wait_for(|closed| *closed) => return,
            _ = rounds.tick() => {}
        }
        let platform = Arc::clone(&platform);
        let outcome = tokio::task::spawn_blocking(move || platform.apply_retention()).await;
        let problem = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panicked) => Some(panicked.to_string()),
        };
        if let Some(problem) = problem.as_ref().filter(|_| !failing) {
            tracing::warn!("retention: {problem}");
        }
        failing = problem.is_some();
    }
}
