//! What carries a request to an upstream: a connection of its own, plain or TLS, or a stream on a shared one.

use super::http2::Http2Stream;
use crate::wire::Wire;
use http1::Framing;
use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::task::Context;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The upstream's end of an exchange: TLS where the upstream's scheme says so.
pub(crate) type UpstreamIo = Wire<TlsStream<TcpStream>, Http2Stream>;

impl UpstreamIo {
    /// Whether an idle connection cannot be used again: the other side closed it or sent what nobody asked for. Costs
    /// no system call while the runtime has heard nothing.
    pub(crate) fn is_stale(&self) -> bool {
        let Some(socket) = self.socket() else { return false };
        let peeked = socket.try_io(Interest::READABLE, || peek(socket));
        !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, asked of the system itself: what has arrived since the runtime last looked counts, too.
    pub(crate) fn is_closed(&self) -> bool {
        let Some(socket) = self.socket() else { return false };
        !peek(socket).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the node chose HTTP/2 in the TLS handshake.
    pub(crate) fn chose_http2(&self) -> bool {
        matches!(self, Wire::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// How the body of an answer on it ends: over HTTP/2 with its stream, whatever length it has announced, for trailers may
    /// follow it. That the length is kept to is checked below (RFC 9113, section 8.1.1).
    pub(crate) fn ending(&self, framing: Framing) -> Framing {
        match framing {
            Framing::Length(_) if self.is_stream() => Framing::UntilClose,
            framing => framing,
        }
    }

    /// Takes in what comes while nobody reads, where that would cost others.
    pub(crate) fn gather(&mut self, cx: &mut Context<'_>) {
        if let Wire::Http2(stream) = self {
            stream.gather(cx);
        }
    }

    /// What was written is not to arrive any more: the node learns at once that nobody waits, and not behind what it has still
    /// to take. A stream is reset anyway.
    pub(crate) fn abandon(&self) {
        if let Some(socket) = self.socket() {
            // Where the system does not do it, the end comes later.
            let _ = socket.set_zero_linger();
        }
    }

    /// The socket, if it carries nothing else.
    fn socket(&self) -> Option<&TcpStream> {
        match self {
            Wire::Plain(socket) => Some(socket),
            Wire::Tls(stream) => Some(stream.get_ref().0),
            Wire::Http2(_) => None,
        }
    }
}

/// Looks at the next byte and leaves it where it is; `WouldBlock` if there is none yet.
fn peek(socket: &TcpStream) -> io::Result<usize> {
    SockRef::from(socket).peek(&mut [MaybeUninit::uninit()])
}
