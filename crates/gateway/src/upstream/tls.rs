//! TLS towards https upstreams: rustls, with or without a look at the certificate.
//!
//! APISIX does not check certificates unless `tls.verify` says so; we follow it, say so in the log, and let
//! `always_verify_upstreams` overrule it.

use super::takes_any::TakesAny;
use crate::tls::provider;
use rustls::client::{ResolvesClientCert, WantsClientCert};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The two ways to speak TLS. Clones share what was agreed on with servers, so that sessions are resumed.
#[derive(Clone)]
pub(crate) struct Connectors {
    roots: Arc<RootCertStore>,
    /// Checks the certificate against the roots.
    checked: Arc<ClientConfig>,
    /// Takes any certificate.
    unchecked: Arc<ClientConfig>,
}

/// The same object twice, or a clone of it.
impl PartialEq for Connectors {
    fn eq(&self, other: &Connectors) -> bool {
        Arc::ptr_eq(&self.checked, &other.checked)
    }
}

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connectors")
    }
}

/// The certificate authorities cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("certificate authorities in {path} cannot be read")]
pub struct CaFileError {
    path: String,
    #[source]
    source: rustls::pki_types::pem::Error,
}

impl Connectors {
    /// Loads the system's certificate authorities and those of `ca_file`.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Connectors, CaFileError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let error = |source| CaFileError { path: path.display().to_string(), source };
            for certificate in CertificateDer::pem_file_iter(path).map_err(error)? {
                roots.add_parsable_certificates([certificate.map_err(error)?]);
            }
        }
        Ok(Connectors::of(roots))
    }

    /// Knows no authority.
    pub(crate) fn without_roots() -> Connectors {
        Connectors::of(RootCertStore::empty())
    }

    fn of(roots: RootCertStore) -> Connectors {
        let roots = Arc::new(roots);
        let (checked, unchecked) = both(&roots);
        let (checked, unchecked) = (checked.with_no_client_auth(), unchecked.with_no_client_auth());
        Connectors { roots, checked: Arc::new(checked), unchecked: Arc::new(unchecked) }
    }

    /// The same, with a certificate of ours that is shown to servers that ask for one.
    pub(crate) fn showing(&self, certificate: CertifiedKey) -> Connectors {
        let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(certificate));
        let (checked, unchecked) = both(&self.roots);
        let checked = checked.with_client_cert_resolver(Arc::clone(&resolver));
        let unchecked = unchecked.with_client_cert_resolver(resolver);
        let roots = Arc::clone(&self.roots);
        Connectors { roots, checked: Arc::new(checked), unchecked: Arc::new(unchecked) }
    }

    /// Whether anything else holds it.
    pub(crate) fn is_used(&self) -> bool {
        Arc::strong_count(&self.checked) > 1
    }

    /// The way that checks the server's certificate, or the one that does not.
    pub(crate) fn connector(&self, verify: bool) -> TlsConnector {
        Arc::clone(if verify { &self.checked } else { &self.unchecked }).into()
    }
}

type Builder = ConfigBuilder<ClientConfig, WantsClientCert>;

fn both(roots: &Arc<RootCertStore>) -> (Builder, Builder) {
    let unchecked = config().dangerous().with_custom_certificate_verifier(Arc::new(TakesAny));
    (config().with_root_certificates(Arc::clone(roots)), unchecked)
}

fn config() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider()));
    #[allow(clippy::expect_used, reason = "the provider supports the versions that are compiled in")]
    builder.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3 are supported by the provider")
}
