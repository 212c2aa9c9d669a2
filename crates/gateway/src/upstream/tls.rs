//! TLS towards https upstreams: rustls, with or without a look at the certificate.
//!
//! APISIX does not check certificates unless `tls.verify` says so; we follow it, say so in the log, and let
//! `always_verify_upstreams` overrule it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The two ways to speak TLS.
#[derive(Clone)]
pub(crate) struct Connectors {
    /// Checks the certificate against the roots.
    pub(crate) checked: TlsConnector,
    /// Takes any certificate.
    pub(crate) unchecked: TlsConnector,
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
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let error = |source| CaFileError { path: path.display().to_string(), source };
            for certificate in CertificateDer::pem_file_iter(path).map_err(error)? {
                roots.add_parsable_certificates([certificate.map_err(error)?]);
            }
        }
        let checked = config(&provider).with_root_certificates(roots).with_no_client_auth();
        let unchecked = config(&provider)
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAny { provider }))
            .with_no_client_auth();
        Ok(Connectors { checked: Arc::new(checked).into(), unchecked: Arc::new(unchecked).into() })
    }
}

fn config(provider: &Arc<CryptoProvider>) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider));
    #[allow(clippy::expect_used, reason = "the provider supports the versions that are compiled in")]
    builder.with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3 are supported by the provider")
}

/// Takes any certificate, but only from someone who holds its key.
#[derive(Debug)]
struct TakesAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
