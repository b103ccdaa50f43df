//! Ways to hand a batch to a target.
//!
//! A transport sends one batch and says how that went; whether and when to try again, and with whom, is for the
//! [route](super::route) to decide.

mod answer;
mod grpc;
mod http;
mod lines;
mod zipkin;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::batch::Batch;
use crate::config::{ConfigError, Target, TargetKind, endpoint};

/// What a target did with a batch it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Items it refused all the same, and says so.
    pub(crate) rejected: u64,
    /// Why.
    pub(crate) message: String,
}

/// Why a target did not take a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// It may do so later, not before the time it names.
    Later { problem: String, after: Option<Duration> },
    /// It will not, and another target might.
    Misdirected { problem: String },
    /// Nobody will: something is wrong with the batch.
    Refused { problem: String },
}

impl SendError {
    pub(crate) fn later(problem: impl Into<String>) -> Self {
        Self::Later { problem: problem.into(), after: None }
    }

    pub(crate) fn problem(&self) -> &str {
        match self {
            Self::Later { problem, .. } | Self::Misdirected { problem } | Self::Refused { problem } => problem,
        }
    }
}

/// A sending that is under way.
pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = Result<Accepted, SendError>> + Send + 'a>>;

/// A way to hand batches to one target.
pub(crate) trait Transport: Debug + Send + Sync {
    /// Sends one batch. Dropping it gives up.
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a>;
}

/// The way to a target. To be called, and used, within a runtime.
pub(crate) fn connect(target: &Target) -> Result<Box<dyn Transport>, ConfigError> {
    let headers = endpoint::headers(&target.headers)?;
    let tls = target.tls.read(&format!("exporters.targets.{}.tls", target.name))?;
    Ok(match &target.kind {
        TargetKind::Otlp { endpoint, protocol } => {
            let uri = endpoint::otlp(endpoint, *protocol)?;
            match protocol {
                crate::config::OtlpProtocol::Grpc => Box::new(grpc::Grpc::new(uri, headers, target, tls)?),
                protocol => Box::new(http::Otlp::new(&uri, headers, *protocol, target, tls)?),
            }
        }
        TargetKind::Zipkin { endpoint } => {
            Box::new(zipkin::Zipkin::new(endpoint::zipkin(endpoint)?, headers, target.compression, tls))
        }
        TargetKind::Console => Box::new(lines::Lines::console()),
        TargetKind::File { path } => Box::new(lines::Lines::file(path.clone())),
    })
}
