//! Receivers behind `https://`, known to an authority of our own, who want to know who is calling.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sabot_telemetry::{
    ExportersConfig, OtlpProtocol, Signal, Target, TelemetryConfig, TelemetryProviders, Tls, init_telemetry,
};
use tokio_rustls::TlsAcceptor;

use crate::receiver::{self, Call};

const SOON: Duration = Duration::from_secs(20);

/// An authority, and what it issued to a receiver and to us, as files.
struct Authority {
    dir: tempfile::TempDir,
    server: (String, String),
    issuer_pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let issue = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            (certificate.pem(), key.serialize_pem())
        };
        let dir = tempfile::tempdir().expect("a directory");
        let (certificate, key) = issue("client");
        for (name, pem) in [("ca.pem", issuer.pem()), ("client.pem", certificate), ("client.key", key)] {
            std::fs::write(dir.path().join(name), pem).expect("a file");
        }
        Self { dir, server: issue("localhost"), issuer_pem: issuer.pem() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn client(&self) -> Tls {
        let [ca_file, cert_file, key_file] = ["ca.pem", "client.pem", "client.key"].map(|name| Some(self.file(name)));
        Tls { ca_file, cert_file, key_file }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.issuer_pem.as_bytes()).expect("PEM")).expect("an authority");
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&ring)).build();
        let chain = vec![CertificateDer::from_pem_slice(self.server.0.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(self.server.1.as_bytes()).expect("PEM");
        let config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients.expect("a verifier"))
            .with_single_cert(chain, key);
        let mut config = config.expect("a configuration");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

fn telemetry(port: u16, protocol: OtlpProtocol, tls: Tls) -> TelemetryProviders {
    let target = Target::otlp("tls", format!("https://localhost:{port}"), protocol).with_tls(tls);
    let exporters =
        ExportersConfig { targets: vec![target.with_signals([Signal::Traces])], ..ExportersConfig::default() };
    let config = TelemetryConfig::new("shop").without_environment().without_globals().with_exporters(exporters);
    init_telemetry(config).expect("telemetry")
}

fn problem(telemetry: &TelemetryProviders) -> String {
    let status = telemetry.exporter().expect("an exporter").status();
    status[0].exporters[0].last_problem.clone().expect("a problem")
}

#[test]
fn spans_arrive_over_grpc_and_http_with_certificates_of_our_own() {
    let authority = Authority::new();
    let grpc = receiver::grpc_behind(0, Some(authority.acceptor()));
    let http = receiver::http_behind(receiver::ok, Some(authority.acceptor()));
    for (port, protocol) in
        [(grpc.address.port(), OtlpProtocol::Grpc), (http.address.port(), OtlpProtocol::HttpProtobuf)]
    {
        let telemetry = telemetry(port, protocol, authority.client());
        drop(telemetry.spans().start("checkout").root().start());
        assert!(telemetry.shutdown_blocking(SOON), "{}", problem(&telemetry));
    }
    let Call::Traces(request, _) = grpc.next() else { panic!("no spans") };
    assert_eq!(request.resource_spans[0].scope_spans[0].spans[0].name, "checkout");
    assert_eq!(http.next().path, "/v1/traces");
}

#[test]
fn whoever_is_not_known_is_not_trusted() {
    let authority = Authority::new();
    let http = receiver::http_behind(receiver::ok, Some(authority.acceptor()));
    let without_ca = Tls { ca_file: None, ..authority.client() };
    let without_certificate = Tls { cert_file: None, key_file: None, ..authority.client() };
    for (tls, expected) in [(without_ca, "UnknownIssuer"), (without_certificate, "CertificateRequired")] {
        let telemetry = telemetry(http.address.port(), OtlpProtocol::HttpProtobuf, tls);
        drop(telemetry.spans().start("checkout").root().start());
        assert!(!telemetry.shutdown_blocking(Duration::from_secs(2)), "it was trusted");
        assert!(problem(&telemetry).contains(expected), "{}", problem(&telemetry));
    }
    assert!(http.rest().is_empty());
}

#[test]
fn certificates_that_cannot_work_say_what_to_write() {
    let authority = Authority::new();
    let file = |name: &str| Some(authority.file(name));
    let none = Tls::default();
    for (endpoint, tls, expected) in [
        ("https://c", Tls { ca_file: file("no.pem"), ..none.clone() }, "it cannot be read (No such file"),
        ("https://c", Tls { ca_file: file("client.key"), ..none.clone() }, "it holds no certificate; write the path"),
        ("https://c", Tls { cert_file: file("client.pem"), ..none.clone() }, "write the path of the key of cert_file"),
        (
            "https://c",
            Tls { key_file: file("client.key"), ..none.clone() },
            "write the path of the certificate of key_file",
        ),
        (
            "https://c",
            Tls { cert_file: file("client.pem"), key_file: file("ca.pem"), ..none },
            "it holds no private key",
        ),
        ("http://c:4317", authority.client(), "the endpoint is not encrypted: write https://c:4317, or leave it out"),
    ] {
        let error = Target::otlp("a", endpoint, OtlpProtocol::Grpc).with_tls(tls).check().expect_err(expected);
        assert!(error.to_string().contains(expected) && error.to_string().contains("targets.a.tls"), "{error}");
    }
}
