//! What an exchange reads its request body from and writes its answer to.

use super::http2::Http2Stream;
use crate::buffer::Buffer;
use crate::forward::ends::{Sink, Source};
use http::HeaderMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The client's end of an exchange.
#[derive(Debug)]
pub(crate) enum ClientIo {
    /// A socket.
    Plain(TcpStream),
    /// A socket with TLS on it.
    Tls(Box<TlsStream<TcpStream>>),
    /// One stream of an HTTP/2 connection: it reads as the content of the request, and what is written is the content
    /// of the answer.
    Http2(Box<Http2Stream>),
}

impl ClientIo {
    /// Whether it is one stream among others of a connection.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, ClientIo::Http2(_))
    }

    /// The answer has begun and cannot be completed. Over HTTP/1 the close of the connection says so.
    pub(crate) fn break_off(&mut self) {
        if let ClientIo::Http2(stream) = self {
            stream.break_off();
        }
    }

    /// Whether the client has gone. What it sends meanwhile (its body, the next request) is kept in `input`, as far as
    /// there is room. A client that closes only its sending side counts as gone, as with nginx; over HTTP/2 that is how
    /// each request ends, and only a reset counts.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>, input: &mut Buffer) -> bool {
        if let ClientIo::Http2(stream) = self {
            return stream.poll_left(cx);
        }
        while !input.is_full() {
            match input.poll_read(self, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return true,
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return false,
            }
        }
        false
    }
}

impl Source for ClientIo {
    fn has_ended(&self) -> bool {
        match self {
            ClientIo::Plain(_) | ClientIo::Tls(_) => false,
            ClientIo::Http2(stream) => stream.has_ended(),
        }
    }

    fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        match self {
            ClientIo::Plain(_) | ClientIo::Tls(_) => None,
            ClientIo::Http2(stream) => stream.take_trailers(),
        }
    }
}

impl Sink for ClientIo {
    fn is_out_of_band(&self) -> bool {
        matches!(self, ClientIo::Http2(_))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&HeaderMap>) -> Poll<io::Result<()>> {
        match self {
            ClientIo::Plain(socket) => Pin::new(socket).poll_flush(cx),
            ClientIo::Tls(stream) => Pin::new(stream).poll_flush(cx),
            ClientIo::Http2(stream) => stream.poll_finish(cx, trailers),
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            ClientIo::Http2(stream) => Pin::new(stream).poll_read(cx, buf),
            ClientIo::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            ClientIo::Http2(stream) => Pin::new(stream).poll_write(cx, buf),
            ClientIo::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            ClientIo::Http2(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            ClientIo::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_flush(cx),
            ClientIo::Http2(stream) => Pin::new(stream).poll_flush(cx),
            ClientIo::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            ClientIo::Http2(stream) => Pin::new(stream).poll_shutdown(cx),
            ClientIo::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
