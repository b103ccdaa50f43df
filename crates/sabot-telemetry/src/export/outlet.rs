//! Where ended telemetry is handed over, whatever sends it at the moment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::exporter::{Exporter, ExporterError};
use crate::config::{ExportSettings, Signal};
use crate::sync::lock;
use crate::{LogQueue, Registry, Resource, SpanRecord};

/// Log records taken from their queue at a time.
const DRAIN: usize = 1_024;

/// The way out for ended spans and log records: to an exporter, which may be exchanged while others go on recording, or to
/// nowhere. A handle: clones are the same outlet.
#[derive(Clone, Debug)]
pub struct Outlet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    current: ArcSwapOption<Current>,
    /// Held by who hands something over and by who changes the exporter, so that nothing is handed to one that ends.
    turn: Mutex<()>,
    logs: LogQueue,
    registry: Registry,
}

/// An exporter, and what it was started with.
#[derive(Debug)]
struct Current {
    exporter: Exporter,
    settings: ExportSettings,
}

impl Outlet {
    pub(crate) fn new(logs: LogQueue, registry: Registry) -> Self {
        let shared = Shared { current: ArcSwapOption::empty(), turn: Mutex::default(), logs, registry };
        Self { shared: Arc::new(shared) }
    }

    /// What sends at the moment, if anything does.
    pub fn exporter(&self) -> Option<Exporter> {
        self.shared.current.load().as_ref().map(|current| current.exporter.clone())
    }

    /// Hands over ended spans. Never waits for a target, but for a [change](Self::change) of the exporter: for the thread
    /// that drains the queue of spans.
    pub fn export_spans(&self, spans: impl IntoIterator<Item = SpanRecord>) {
        let _turn = lock(&self.shared.turn);
        if let Some(current) = &*self.shared.current.load() {
            current.exporter.export_spans(spans);
        }
    }

    /// Hands over the log records that wait in their queue, if anything takes them.
    pub fn export_logs(&self) {
        let _turn = lock(&self.shared.turn);
        let current = self.shared.current.load();
        let Some(current) = current.as_ref().filter(|current| current.exporter.takes(Signal::Logs)) else { return };
        loop {
            let records = self.shared.logs.drain(DRAIN);
            let is_rest = records.len() < DRAIN;
            current.exporter.export_logs(records);
            if is_rest {
                break;
            }
        }
    }

    /// Sends by other settings from now on; without a target nothing is sent. The exporter there was ends before, `within`
    /// a time: what it has not sent by then waits on disk for the next with a target of that name, or is dropped and counted. True if nothing was.
    /// Blocks until it is done. On an error everything is as before.
    pub fn change(
        &self,
        settings: &ExportSettings,
        resource: Arc<Resource>,
        within: Duration,
    ) -> Result<bool, ExporterError> {
        settings.exporters.check()?;
        let _turn = lock(&self.shared.turn);
        let before = self.shared.current.load_full();
        if let Some(before) = before.as_ref().filter(|before| before.settings == *settings) {
            before.exporter.set_resource(resource);
            return Ok(true);
        }
        let lost_nothing = before.as_ref().is_none_or(|before| before.exporter.shutdown_blocking(within));
        let started = self.start(settings.clone(), resource);
        if started.is_err()
            && let Some(before) = &before
        {
            // It has worked before: only its thread is new.
            drop(self.start(before.settings.clone(), before.exporter.resource()));
        }
        started.map(|()| lost_nothing)
    }

    fn start(&self, settings: ExportSettings, resource: Arc<Resource>) -> Result<(), ExporterError> {
        if self.shared.current.swap(None).is_some() {
            self.shared.logs.want(false);
        }
        if !settings.exporters.targets.is_empty() {
            let exporter = Exporter::start(&settings, resource, self.shared.registry.clone())?;
            self.shared.logs.want(exporter.takes(Signal::Logs));
            self.shared.current.store(Some(Arc::new(Current { exporter, settings })));
        }
        Ok(())
    }

    /// Sends everything and ends; see [`Exporter::shutdown`].
    pub async fn shutdown(&self, within: Duration) -> bool {
        match self.exporter() {
            Some(exporter) => exporter.shutdown(within).await,
            None => true,
        }
    }

    /// The same for code that is not asynchronous.
    pub fn shutdown_blocking(&self, within: Duration) -> bool {
        self.exporter().is_none_or(|exporter| exporter.shutdown_blocking(within))
    }
}
