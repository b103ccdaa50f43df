//! Certificates of receivers that are not known to everybody, and our own where they want to know who is calling.
//!
//! Without any, a receiver behind `https://` must be known to the authorities browsers know.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;

use super::ConfigError;

/// Files of certificates and keys, all of them PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "the names people write in a configuration")]
pub struct Tls {
    /// The authorities to trust, instead of those everybody knows.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, for receivers that ask for one.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// What is in the files.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The authorities to trust.
    pub(crate) ca: Option<Vec<u8>>,
    /// Our own certificate and its key.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Everything, for a client that takes it so.
    pub(crate) client: ClientConfig,
}

impl Tls {
    /// Whether anything is given.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Reads and checks the files. `setting` is what they are called where they are written.
    pub(crate) fn read(&self, setting: &str) -> Result<Certificates, ConfigError> {
        let ca = self.ca_file.as_deref().map(|path| read(&of(setting, "ca_file"), path)).transpose()?;
        let identity = match (&self.cert_file, &self.key_file) {
            (None, None) => None,
            (Some(cert), Some(key)) => {
                Some((read(&of(setting, "cert_file"), cert)?, read(&of(setting, "key_file"), key)?))
            }
            (Some(_), None) => return Err(missing(setting, "key_file", "the key of cert_file")),
            (None, Some(_)) => return Err(missing(setting, "cert_file", "the certificate of key_file")),
        };
        let client = self.client(setting, ca.as_deref(), identity.as_ref())?;
        Ok(Certificates { ca, identity, client })
    }

    fn client(
        &self,
        setting: &str,
        ca: Option<&[u8]>,
        identity: Option<&(Vec<u8>, Vec<u8>)>,
    ) -> Result<ClientConfig, ConfigError> {
        let shown = |path: &Option<PathBuf>| path.as_deref().unwrap_or_else(|| Path::new("")).display().to_string();
        let wrong = |key: &str, path: &Option<PathBuf>, problem: String| {
            ConfigError::setting(of(setting, key), shown(path), format!("{problem}; write the path of a PEM file"))
        };
        let mut roots = RootCertStore::empty();
        if let Some(pem) = ca {
            for certificate in certificates(pem).map_err(|problem| wrong("ca_file", &self.ca_file, problem))? {
                roots.add(certificate).map_err(|error| wrong("ca_file", &self.ca_file, error.to_string()))?;
            }
        } else {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("ca_file", &self.ca_file, error.to_string()))?
            .with_root_certificates(roots);
        let Some((cert, key)) = identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(cert).map_err(|problem| wrong("cert_file", &self.cert_file, problem))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| wrong("key_file", &self.key_file, format!("it holds no private key ({error})")))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| wrong("key_file", &self.key_file, error.to_string()))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if all.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(all) }
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let problem = |error| format!("it cannot be read ({error}); write the path of a PEM file");
    std::fs::read(path).map_err(|error| ConfigError::setting(setting, path.display(), problem(error)))
}

fn of(setting: &str, key: &str) -> String {
    format!("{setting}.{key}")
}

fn missing(setting: &str, key: &str, what: &str) -> ConfigError {
    ConfigError::setting(of(setting, key), "", format!("write the path of {what} as well"))
}
