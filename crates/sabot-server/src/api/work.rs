//! Work that takes time goes to threads of its own, so that those that answer requests are free for the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::error::ApiError;

/// Queries at a time, which bounds what their answers hold; others wait for their turn.
const QUERIES: usize = 8;

/// Threads for work that takes time, with a bound to how much of it there is at a time.
#[derive(Clone)]
pub(crate) struct QueryThreads {
    threads: Handle,
    turns: Arc<Semaphore>,
}

/// How long a look at what is stored waits for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Runs a query, once it is its turn, which must be within `patience`. It ends with the request: when the caller
    /// hangs up, so does the query.
    pub(super) async fn run<T, E>(
        &self,
        patience: Duration,
        query: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        let turn = self.turn(patience).await?;
        let query = async move {
            // Kept by the work and not by the request: what computes without a pause goes on when the request has ended.
            let _turn = turn;
            query.await
        };
        let mut running = AbortOnDrop(self.threads.spawn(query));
        Ok((&mut running.0).await.map_err(ApiError::internal)??)
    }

    /// Runs what reads and computes without waiting for anything, once it is its turn.
    pub(super) async fn run_blocking<T, E>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Send + 'static,
        ApiError: From<E>,
    {
        let turn = self.turn(patience).await?;
        let work = move || {
            let _turn = turn;
            work()
        };
        Ok(self.threads.spawn_blocking(work).await.map_err(ApiError::internal)??)
    }

    async fn turn(&self, patience: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = tokio::time::timeout(patience, Arc::clone(&self.turns).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            ApiError::busy(format!("{QUERIES} other requests are being worked on, and none has ended in time"))
        })
    }
}
