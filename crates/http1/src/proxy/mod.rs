//! The PROXY protocol, versions 1 and 2 (HAProxy's `doc/proxy-protocol.txt`): what a proxy in front says of a connection before
//! its first byte.
//!
//! The caller reads exactly as many bytes as are asked for, so that none of what follows (a TLS handshake, a request) is taken
//! away. Whether the sender may say it is the caller's to know.

mod v1;
mod v2;

use std::net::SocketAddr;

/// Longest header, bytes: the addresses and some extensions (TLVs) of version 2.
pub const MAX_BYTES: usize = 4_096;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The connection came from `source` and went to `destination`.
    Relayed {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// The sender's own connection (a health check), or one whose addresses it does not know: the addresses are those of the socket.
    Own,
}

/// How far a header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At least so many bytes more belong to it.
    Needs(usize),
    /// It is whole, and so many bytes long.
    Whole(Announced, usize),
}

/// What came is no PROXY header. The connection is closed: nothing on it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It begins with something else.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// It is longer than it may be.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A version, command or address family that does not exist.
    #[error("the PROXY header has an unknown version, command or family")]
    Unknown,
    /// Its addresses or its framing are wrong.
    #[error("the PROXY header is malformed")]
    Malformed,
}

/// Reads a header from all bytes that have come so far.
///
/// # Errors
/// As soon as the bytes cannot become a header.
pub fn parse(bytes: &[u8]) -> Result<Progress, ProxyError> {
    let begins = |signature: &[u8]| {
        let common = bytes.len().min(signature.len());
        bytes.get(..common) == signature.get(..common)
    };
    if begins(v2::SIGNATURE) && !bytes.is_empty() {
        v2::parse(bytes)
    } else if begins(v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(ProxyError::Missing)
    }
}
