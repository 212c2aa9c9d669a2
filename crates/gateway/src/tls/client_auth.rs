//! What clients must show: a certificate of one of the authorities, over at most so many others (APISIX's `client`).
//!
//! Usually the handshake fails without it. Where some paths need none (`skip_mtls_uri_regex`), the handshake takes any
//! certificate whose key the client holds, or none, and each request is judged by its path.

use super::certificates::{PemError, chain};
use super::provider;
use model::ssl::{Client, PathPatterns};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use std::fmt;
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// What the clients of an SSL resource must show. The same object while its `client` does not change.
pub(crate) struct ClientAuth {
    anchors: Vec<TrustAnchor<'static>>,
    hints: Vec<DistinguishedName>,
    depth: usize,
    skips: PathPatterns,
}

impl ClientAuth {
    pub(super) fn new(client: &Client) -> Result<ClientAuth, ClientAuthError> {
        let mut anchors = Vec::new();
        for certificate in chain(&client.ca).map_err(ClientAuthError::Authority)? {
            let unreadable =
                || PemError::Certificate("it is no X.509 certificate that can be read".to_owned());
            let anchor = anchor_from_trusted_cert(&certificate)
                .map_err(|_| ClientAuthError::Authority(unreadable()))?;
            anchors.push(anchor.to_owned());
        }
        let hints = anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect();
        let skips = PathPatterns::compile(&client.skip_mtls_uri_regex).map_err(ClientAuthError::Pattern)?;
        Ok(ClientAuth { anchors, hints, depth: client.depth, skips })
    }

    /// Whether the handshake fails without a good certificate.
    pub(super) fn decides(&self) -> bool {
        self.skips.is_empty()
    }

    /// Whether requests for a path need no certificate.
    pub(super) fn skips(&self, path: &[u8]) -> bool {
        self.skips.match_path(path)
    }

    /// Checks a client's certificate and what came with it.
    pub(super) fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let certificate = EndEntityCert::try_from(certificate).map_err(refused)?;
        let path = certificate.verify_for_usage(
            provider().signature_verification_algorithms.all,
            &self.anchors,
            intermediates,
            now,
            KeyUsage::client_auth(),
            None,
            Some(&|path| match path.intermediate_certificates().count() {
                count if count <= self.depth => Ok(()),
                _ => Err(webpki::Error::MaximumPathDepthExceeded),
            }),
        );
        path.map(drop).map_err(refused)
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth")
            .field("depth", &self.depth)
            .field("skips", &self.skips)
            .finish_non_exhaustive()
    }
}

/// Why clients cannot be asked for what an SSL resource says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientAuthError {
    #[error("failed to validate client_cert: {0}")]
    Authority(PemError),
    #[error("skip_mtls_uri_regex: {0}")]
    Pattern(String),
}

/// What the library says, in the words that rustls turns into the right alert.
fn refused(error: webpki::Error) -> rustls::Error {
    use webpki::Error as E;
    rustls::Error::InvalidCertificate(match error {
        E::BadDer | E::BadDerTime => CertificateError::BadEncoding,
        E::CertNotValidYet { .. } | E::InvalidCertValidity => CertificateError::NotValidYet,
        E::CertExpired { .. } => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(rustls::OtherError(Arc::new(other))),
    })
}

/// Why a certificate is not good, as nginx says it in `$ssl_client_verify`: short, and for people.
pub(super) fn in_words(error: &rustls::Error) -> String {
    use CertificateError as C;
    let rustls::Error::InvalidCertificate(fault) = error else { return error.to_string() };
    let of_webpki = match fault {
        C::Other(other) => other.0.downcast_ref(),
        _ => None,
    };
    match (fault, of_webpki) {
        (C::BadEncoding, _) => "certificate cannot be read",
        (C::NotValidYet, _) => "certificate is not valid yet",
        (C::Expired, _) => "certificate has expired",
        (C::UnknownIssuer, _) => "certificate is of no authority that is trusted",
        (C::InvalidPurpose, _) => "certificate is not meant for clients",
        (_, Some(webpki::Error::MaximumPathDepthExceeded)) => "certificate chain is longer than client.depth",
        (_, Some(webpki::Error::CaUsedAsEndEntity)) => "certificate is one of an authority",
        (_, Some(webpki::Error::UnsupportedCertVersion)) => "certificate is of an X.509 version before 3",
        (_, Some(webpki::Error::InvalidSignatureForPublicKey)) => "certificate chain has a wrong signature",
        _ => "certificate cannot be verified",
    }
    .to_owned()
}

/// [`ClientAuth`] as part of a handshake.
#[derive(Debug)]
pub(super) struct AtHandshake(pub(super) Arc<ClientAuth>);

impl ClientCertVerifier for AtHandshake {
    fn client_auth_mandatory(&self) -> bool {
        self.0.decides()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if self.0.decides() {
            self.0.check(end_entity, intermediates, now)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
