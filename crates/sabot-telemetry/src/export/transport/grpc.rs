//! OTLP over gRPC. Batches are sent as the bytes they are: nothing is decoded on the way.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};
use tonic::client::Grpc as Client;
use tonic::codec::{BufferSettings, Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::answer::{grpc_error, partial_success};
use super::http::AGENT;
use super::{Accepted, SendError, Sending, Transport};
use crate::config::{Certificates, Compression, ConfigError, Signal, Target};
use crate::export::batch::Batch;

/// How long a connection may be silent before it is asked for a sign of life, and then until it gives one.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A receiver of OTLP over gRPC.
#[derive(Debug)]
pub(super) struct Grpc {
    client: Client<Channel>,
    metadata: MetadataMap,
}

impl Grpc {
    /// Connects with the first batch, and again whenever that is needed.
    pub(super) fn new(
        uri: Uri,
        headers: Vec<(HeaderName, HeaderValue)>,
        target: &Target,
        tls: Certificates,
    ) -> Result<Self, ConfigError> {
        let wrong =
            |error: &dyn std::error::Error| ConfigError::endpoint("otlp", &uri.to_string(), super::http::chain(error));
        // A connection that swallows everything is found out by pings, and replaced.
        let mut endpoint = Endpoint::from(uri.clone())
            .connect_timeout(target.timeout)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        endpoint = endpoint.user_agent(AGENT).map_err(|error| wrong(&error))?;
        if uri.scheme_str() == Some("https") {
            let mut config = ClientTlsConfig::new();
            config = match tls.ca {
                Some(authorities) => config.ca_certificate(Certificate::from_pem(authorities)),
                None => config.with_webpki_roots(),
            };
            if let Some((certificate, key)) = tls.identity {
                config = config.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint.tls_config(config).map_err(|error| wrong(&error))?;
        }
        let mut client = Client::new(endpoint.connect_lazy());
        if target.compression == Compression::Gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        client = client.accept_compressed(CompressionEncoding::Gzip);
        Ok(Self { client, metadata: MetadataMap::from_headers(headers.into_iter().collect()) })
    }

    async fn call(&self, batch: &Batch) -> Result<Accepted, SendError> {
        let mut client = self.client.clone();
        client.ready().await.map_err(|error| SendError::later(super::http::chain(&error)))?;
        let mut request = Request::new(batch.payload.clone());
        *request.metadata_mut() = self.metadata.clone();
        let answer =
            client.unary(request, method(batch.signal), AsTheyAre).await.map_err(|status| grpc_error(&status))?;
        Ok(partial_success(batch.signal, answer.get_ref()))
    }
}

impl Transport for Grpc {
    fn send<'a>(&'a self, batch: &'a Batch) -> Sending<'a> {
        Box::pin(self.call(batch))
    }
}

const fn method(signal: Signal) -> PathAndQuery {
    PathAndQuery::from_static(match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    })
}

/// Messages that are bytes already.
#[derive(Clone, Copy, Debug)]
struct AsTheyAre;

impl Codec for AsTheyAre {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
