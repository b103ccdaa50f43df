//! The threads that process batches: a runtime of their own, so that they never compete with HTTP for a thread.

use std::future::Future;

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

/// A pool of worker threads.
#[derive(Debug)]
pub struct Workers {
    runtime: Option<Runtime>,
    handle: Handle,
    threads: usize,
}

/// Queries and expressions are trees that are walked by recursion: as deep as planning lets them be. It is reserved, and
/// used only as far as somebody goes.
const STACK_BYTES: usize = 64 << 20;

impl Workers {
    /// Starts `threads` workers of this name; 0 is one per core.
    pub fn start(name: &str, threads: usize) -> std::io::Result<Self> {
        let threads = if threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { threads };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), threads })
    }

    /// How many there are.
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Runs a task on the pool.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(task)
    }

    /// A handle for spawning from elsewhere.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
