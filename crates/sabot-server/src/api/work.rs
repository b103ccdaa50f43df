//! Work that takes time goes to threads of its own, so that those that answer requests are free for the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::error::ApiError;

/// Ad-hoc queries at a time, which bounds what their answers hold; others wait for their turn.
const QUERIES: usize = 8;

/// The threads of queries.
#[derive(Clone)]
pub(crate) struct QueryThreads {
    threads: Handle,
    turns: Arc<Semaphore>,
}

/// Ends a task that nobody waits for any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl QueryThreads {
    pub(crate) fn new(threads: Handle) -> Self {
        Self { threads, turns: Arc::new(Semaphore::new(QUERIES)) }
    }

    /// A turn to run an ad-hoc query, within `patience`; it is to be kept until the answer is made.
    pub(super) async fn turn(&self, patience: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = tokio::time::timeout(patience, Arc::clone(&self.turns).acquire_owned()).await;
        turn.ok()
            .and_then(Result::ok)
            .ok_or_else(|| ApiError::busy(format!("{QUERIES} other queries are running, and none has ended in time")))
    }

    /// Runs a query. It ends with the request: when the caller hangs up, so does the query.
    pub(super) async fn run<T, E>(
        &self,
        query: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        let mut running = AbortOnDrop(self.threads.spawn(query));
        Ok((&mut running.0).await.map_err(ApiError::internal)??)
    }

    /// Runs what reads and computes without waiting for anything.
    pub(super) async fn run_blocking<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        Ok(self.threads.spawn_blocking(work).await.map_err(ApiError::internal)??)
    }
}
