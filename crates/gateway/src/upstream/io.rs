//! What carries a request to an upstream: a connection of its own, plain or TLS, or a stream on a shared one.

use super::http2::Http2Stream;
use crate::forward::ends::{Sink, Source};
use http::HeaderMap;
use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The socket, TLS where the upstream's scheme says so, or a stream of HTTP/2.
#[derive(Debug)]
pub(crate) enum UpstreamIo {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Http2(Box<Http2Stream>),
}

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
        matches!(self, UpstreamIo::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    /// The socket, if it carries nothing else.
    fn socket(&self) -> Option<&TcpStream> {
        match self {
            UpstreamIo::Plain(socket) => Some(socket),
            UpstreamIo::Tls(stream) => Some(stream.get_ref().0),
            UpstreamIo::Http2(_) => None,
        }
    }
}

/// Looks at the next byte and leaves it where it is; `WouldBlock` if there is none yet.
fn peek(socket: &TcpStream) -> io::Result<usize> {
    SockRef::from(socket).peek(&mut [MaybeUninit::uninit()])
}

impl Source for UpstreamIo {
    fn has_ended(&self) -> bool {
        matches!(self, UpstreamIo::Http2(stream) if stream.has_ended())
    }

    fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        match self {
            UpstreamIo::Http2(stream) => stream.take_trailers(),
            UpstreamIo::Plain(_) | UpstreamIo::Tls(_) => None,
        }
    }
}

impl Sink for UpstreamIo {
    fn is_out_of_band(&self) -> bool {
        matches!(self, UpstreamIo::Http2(_))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&HeaderMap>) -> Poll<io::Result<()>> {
        match self {
            UpstreamIo::Http2(stream) => stream.poll_finish(cx, trailers),
            UpstreamIo::Plain(_) | UpstreamIo::Tls(_) => Pin::new(self).poll_flush(cx),
        }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            UpstreamIo::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            UpstreamIo::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            UpstreamIo::Http2(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            UpstreamIo::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            UpstreamIo::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            UpstreamIo::Http2(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            UpstreamIo::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            UpstreamIo::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            UpstreamIo::Http2(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            UpstreamIo::Plain(socket) => socket.is_write_vectored(),
            UpstreamIo::Tls(stream) => stream.is_write_vectored(),
            UpstreamIo::Http2(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            UpstreamIo::Plain(socket) => Pin::new(socket).poll_flush(cx),
            UpstreamIo::Tls(stream) => Pin::new(stream).poll_flush(cx),
            UpstreamIo::Http2(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            UpstreamIo::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            UpstreamIo::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            UpstreamIo::Http2(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
