//! What carries an exchange on either side: a socket, TLS on a socket, or one stream of an HTTP/2 connection.

use crate::forward::ends::{Sink, Source};
use http::HeaderMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// `T` is TLS as the client or the server speaks it, `S` the stream of that side.
#[derive(Debug)]
pub(crate) enum Wire<T, S> {
    /// A socket.
    Plain(TcpStream),
    /// A socket with TLS on it.
    Tls(Box<T>),
    /// A stream of HTTP/2: it reads as the content that comes, and what is written is the content that goes.
    Http2(Box<S>),
}

/// The same call on whichever it is.
macro_rules! on {
    ($wire:expr, $carrier:ident => $call:expr) => {
        match $wire {
            Wire::Plain($carrier) => $call,
            Wire::Tls($carrier) => $call,
            Wire::Http2($carrier) => $call,
        }
    };
}

impl<T, S> Wire<T, S> {
    /// Whether it is one stream among others of a connection.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Wire::Http2(_))
    }
}

impl<T: AsyncRead + Unpin, S: Source> Source for Wire<T, S> {
    fn has_ended(&self) -> bool {
        matches!(self, Wire::Http2(stream) if stream.has_ended())
    }

    fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        match self {
            Wire::Http2(stream) => stream.take_trailers(),
            Wire::Plain(_) | Wire::Tls(_) => None,
        }
    }
}

impl<T: AsyncWrite + Unpin, S: Sink> Sink for Wire<T, S> {
    fn is_out_of_band(&self) -> bool {
        self.is_stream()
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&HeaderMap>) -> Poll<io::Result<()>> {
        match self {
            Wire::Http2(stream) => stream.poll_finish(cx, trailers),
            Wire::Plain(_) | Wire::Tls(_) => Pin::new(self).poll_flush(cx),
        }
    }
}

impl<T: AsyncRead + Unpin, S: AsyncRead + Unpin> AsyncRead for Wire<T, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on!(self.get_mut(), carrier => Pin::new(carrier).poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin, S: AsyncWrite + Unpin> AsyncWrite for Wire<T, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on!(self.get_mut(), carrier => Pin::new(carrier).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(self.get_mut(), carrier => Pin::new(carrier).poll_write_vectored(cx, bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self.get_mut(), carrier => Pin::new(carrier).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self.get_mut(), carrier => Pin::new(carrier).poll_shutdown(cx))
    }
}
