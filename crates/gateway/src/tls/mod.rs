//! TLS towards clients: which certificate is shown for which name, what clients must show, and the handshake.
//!
//! Each SSL resource becomes a [`Profile`], once, off the request threads: its PEM is parsed, its keys are opened, and
//! rustls' configuration for it is made, with session tickets of its own. [`Names`] finds the profile for the name that a
//! client asks for; it is part of the table, so that a new certificate holds for the next handshake and no connection
//! notices. What a connection has shown is kept in [`Session`] and compared with what the host of each request asks for:
//! a client that authenticated for one name, or for none, does not get in under another.

mod accept;
mod certificates;
mod client_auth;
mod der;
mod failure;
mod handshakes;
mod names;
mod profile;
mod session;
mod x509;

pub(crate) use accept::accept;
pub(crate) use certificates::{PemError, certified};
pub(crate) use failure::REFUSALS;
pub(crate) use handshakes::Handshakes;
pub(crate) use names::Names;
pub(crate) use profile::Profile;
pub(crate) use session::Session;
pub(crate) use x509::public_key;

use rustls::crypto::CryptoProvider;
use std::sync::{Arc, LazyLock};

/// The one set of algorithms, for clients and upstreams.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    &PROVIDER
}
