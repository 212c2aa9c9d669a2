//! One SSL resource, ready for handshakes.

use super::certificates::{Certificates, PemError, certified};
use super::client_auth::{AtHandshake, ClientAuth, ClientAuthError};
use super::{provider, x509};
use model::secret::Opener;
use model::ssl::{Protocol, Ssl};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;

/// HTTP/2 by its name in TLS (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";
/// Protocols above TLS, the preferred one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];

/// One SSL resource, ready for handshakes. Its session tickets are its own: one of another resource, or of this one as it
/// was before a change, resumes nothing.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) ssl: Ssl,
    pub(crate) config: Arc<ServerConfig>,
    /// What clients must show; `None`: nothing.
    pub(crate) client_auth: Option<Arc<ClientAuth>>,
    /// Until when all of its certificates are valid, seconds since the Unix epoch.
    pub(crate) not_after_s: i64,
}

/// Why an SSL resource cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("its private key cannot be opened: {0}")]
    Sealed(String),
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("failed to handle cert-key pair[{0}]: {1}")]
    FurtherPem(usize, PemError),
    #[error(transparent)]
    ClientAuth(#[from] ClientAuthError),
    #[error("none of its ssl_protocols is spoken: TLSv1.2 and TLSv1.3 are")]
    NoProtocol,
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

impl Profile {
    /// Makes a profile. `before` is the same resource as it was, whose client authentication goes on if it is the same.
    pub(crate) fn new(
        ssl: Ssl,
        opener: &dyn Opener,
        before: Option<&Profile>,
    ) -> Result<Profile, ProfileError> {
        let certified = pairs(&ssl, opener)?;
        let not_after_s = certified
            .iter()
            .filter_map(|pair| x509::read(pair.cert.first()?))
            .map(|fields| fields.not_after_s);
        let not_after_s = not_after_s.min().unwrap_or(i64::MAX);
        let client_auth = match (&ssl.client, before) {
            (None, _) => None,
            (client, Some(before)) if before.ssl.client == *client => before.client_auth.clone(),
            (Some(client), _) => Some(Arc::new(ClientAuth::new(client)?)),
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(&versions(&ssl.protocols)?)?;
        let builder = match &client_auth {
            Some(auth) => builder.with_client_cert_verifier(Arc::new(AtHandshake(Arc::clone(auth)))),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Certificates::new(certified)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        // Tickets need no memory and no lock that the threads would share.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Profile { ssl, config: Arc::new(config), client_auth, not_after_s })
    }
}

fn pairs(ssl: &Ssl, opener: &dyn Opener) -> Result<Vec<CertifiedKey>, ProfileError> {
    let mut certifieds = Vec::with_capacity(ssl.pairs.len());
    for (place, pair) in ssl.pairs.iter().enumerate() {
        let key = opener.open(&pair.key).map_err(ProfileError::Sealed)?;
        certifieds.push(certified(&pair.cert, &key).map_err(|error| match place {
            0 => ProfileError::Pem(error),
            place => ProfileError::FurtherPem(place, error),
        })?);
    }
    if certifieds.is_empty() {
        return Err(PemError::Certificate("there is none in it".to_owned()).into());
    }
    Ok(certifieds)
}

fn versions(protocols: &[Protocol]) -> Result<Vec<&'static SupportedProtocolVersion>, ProfileError> {
    let allowed = |protocol| protocols.is_empty() || protocols.contains(&protocol);
    let known = [(Protocol::Tls13, &rustls::version::TLS13), (Protocol::Tls12, &rustls::version::TLS12)];
    let versions: Vec<_> =
        known.into_iter().filter(|(protocol, _)| allowed(*protocol)).map(|(_, version)| version).collect();
    if versions.is_empty() { Err(ProfileError::NoProtocol) } else { Ok(versions) }
}
