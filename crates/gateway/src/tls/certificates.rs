//! Certificates of ours: read from PEM, and chosen among several by what the client can verify.

use super::provider;
use model::secret::SecretText;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CipherSuite, SignatureAlgorithm, SupportedCipherSuite};
use std::sync::Arc;

/// What is wrong with a PEM text. Never repeats it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PemError {
    #[error("failed to parse cert: {0}")]
    Certificate(String),
    #[error("failed to parse key: {0}")]
    Key(String),
    #[error("the key does not belong to the cert")]
    Mismatch,
}

/// The certificates of a PEM text, at least one.
pub(crate) fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| PemError::Certificate(error.to_string()))?;
    if chain.is_empty() { Err(PemError::Certificate("there is none in it".to_owned())) } else { Ok(chain) }
}

/// The private key of a PEM text.
pub(crate) fn private_key(pem: &SecretText) -> Result<PrivateKeyDer<'static>, PemError> {
    // The library's texts name the kind of the fault and quote nothing.
    PrivateKeyDer::from_pem_slice(pem.0.as_bytes()).map_err(|error| PemError::Key(error.to_string()))
}

/// A certificate chain with the key that signs for it.
pub(crate) fn certified(cert: &str, key: &SecretText) -> Result<CertifiedKey, PemError> {
    let (chain, key) = (chain(cert)?, private_key(key)?);
    CertifiedKey::from_der(chain, key, provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => PemError::Mismatch,
        rustls::Error::InvalidCertificate(_) => PemError::Certificate(error.to_string()),
        other => PemError::Key(other.to_string()),
    })
}

/// The certificates of one SSL resource.
#[derive(Debug)]
pub(super) struct Certificates {
    /// In the order in which they are offered: elliptic curves first, because they cost a tenth of what RSA does.
    choices: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    pub(super) fn new(certified: impl IntoIterator<Item = CertifiedKey>) -> Certificates {
        let mut choices: Vec<_> = certified.into_iter().map(Arc::new).collect();
        choices.sort_by_key(|choice| choice.key.algorithm() == SignatureAlgorithm::RSA);
        Certificates { choices }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let can_verify = |choice: &&Arc<CertifiedKey>| {
            choice.key.choose_scheme(hello.signature_schemes()).is_some()
                && suites_allow(hello.cipher_suites(), &*choice.key)
        };
        // With a single one there is nothing to choose: the handshake itself finds out.
        let fitting = self.choices.iter().find(can_verify).or(self.choices.first());
        fitting.cloned()
    }
}

/// Whether a suite that was offered goes with a kind of key. In TLS 1.3 all of them do.
fn suites_allow(offered: &[CipherSuite], key: &dyn SigningKey) -> bool {
    provider().cipher_suites.iter().filter(|suite| offered.contains(&suite.suite())).any(
        |suite| match suite {
            SupportedCipherSuite::Tls13(_) => true,
            SupportedCipherSuite::Tls12(suite) => key.choose_scheme(suite.sign).is_some(),
        },
    )
}
