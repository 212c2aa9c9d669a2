//! What the two processes say to each other.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One message; some carry file descriptors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The new one: I want to take over.
    Hello {
        /// [`super::PROTOCOL`].
        protocol: u32,
        /// Its version, for the log.
        version: String,
    },
    /// The old one: these sockets; there may be more of the same address.
    Sockets {
        /// What they are for.
        purpose: Use,
        /// The address as the configuration said it.
        asked: SocketAddr,
        /// The address that was given for it.
        address: SocketAddr,
    },
    /// The old one: the files of the data directory's lock.
    Lock,
    /// The old one: that is all.
    Estate {
        /// Whether traffic was welcome.
        ready: bool,
    },
    /// The new one: everything is started, and waits.
    Ready,
    /// The old one: I control nothing any more.
    Yours,
    /// The new one: I accept connections.
    Serving,
    /// The old one: I am gone, you are the one.
    Gone,
    /// Either: it will not be, for this reason.
    Refused {
        /// In words.
        why: String,
    },
}

/// What a socket is listened on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum Use {
    /// Requests to upstreams.
    Gateway,
    /// The Admin API.
    Admin,
    /// The Admin API over TLS.
    AdminTls,
}
