//! Certificates of ours that upstreams ask for: written into the upstream, or an SSL resource of type `client`.
//!
//! One of an SSL resource is found when a connection is made, so that a new one holds for the next handshake and open
//! connections live on. One that cannot be used makes the handshake fail: without it, it would be refused, or worse, not.

use super::tls::Connectors;
use crate::tls::{PemError, certified};
use foldhash::HashMap;
use model::secret::Opener;
use model::ssl::Pair;
use model::upstream::Upstream;
use std::io;

/// What a target shows to its nodes.
#[derive(Clone, Debug, Default)]
pub(crate) enum Shown {
    /// Nothing.
    #[default]
    Nothing,
    /// A certificate of its own.
    Own(Connectors),
    /// One that cannot be used.
    Unusable,
    /// That of the SSL resource with this id.
    ById(String),
}

/// The SSL resources of type `client`, by id.
pub(crate) type ClientCertificates = HashMap<String, Connectors>;

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientCertificateError {
    #[error("the private key of its client certificate cannot be opened: {0}")]
    Sealed(String),
    #[error("client certificate: {0}")]
    Pem(#[from] PemError),
}

/// What is to be shown cannot be: no connection is made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// It stands in the upstream.
    #[error("the upstream's tls.client_cert cannot be used: look at tls.client_cert and tls.client_key")]
    Own,
    /// It is to come from an SSL resource that is not there, is switched off, of another type, or wrong.
    #[error(
        "there is no usable ssl {0} of type client, which the upstream's tls.client_cert_id names: put it back, or name another one"
    )]
    ById(String),
}

/// What is needed to show a certificate.
pub(crate) fn connectors(
    pair: &Pair,
    opener: &dyn Opener,
    plain: &Connectors,
) -> Result<Connectors, ClientCertificateError> {
    let key = opener.open(&pair.key).map_err(ClientCertificateError::Sealed)?;
    Ok(plain.showing(certified(&pair.cert, &key)?))
}

impl Shown {
    /// What an upstream says; `own` is its own certificate, made ready, or why it cannot be.
    pub(crate) fn of(upstream: &Upstream, own: Option<Result<Connectors, ClientCertificateError>>) -> Shown {
        match (own, &upstream.client_cert_id) {
            (Some(Ok(connectors)), _) => Shown::Own(connectors),
            (Some(Err(_)), _) => Shown::Unusable,
            (None, Some(id)) => Shown::ById(id.clone()),
            (None, None) => Shown::Nothing,
        }
    }

    /// How to speak TLS with the nodes.
    ///
    /// # Errors
    /// When the certificate cannot be shown.
    pub(crate) fn connectors(
        &self,
        plain: &Connectors,
        by_id: &ClientCertificates,
    ) -> io::Result<Connectors> {
        let found = match self {
            Shown::Nothing => Ok(plain),
            Shown::Own(connectors) => Ok(connectors),
            Shown::ById(id) => by_id.get(id).ok_or_else(|| Unusable::ById(id.clone())),
            Shown::Unusable => Err(Unusable::Own),
        };
        found.cloned().map_err(|unusable| io::Error::new(io::ErrorKind::NotFound, unusable))
    }
}
