//! What an exchange reads its request body from and writes its answer to.

use crate::buffer::Buffer;
use crate::forward::ends::{Sink, Source};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The client's end of an exchange.
#[derive(Debug)]
pub(crate) enum ClientIo {
    /// A socket.
    Plain(TcpStream),
}

impl ClientIo {
    /// Whether the client has gone. What it sends meanwhile (its body, the next request) is kept in `input`, as far as
    /// there is room. A client that closes only its sending side counts as gone, as with nginx.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>, input: &mut Buffer) -> bool {
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

impl Source for ClientIo {}

impl Sink for ClientIo {}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
