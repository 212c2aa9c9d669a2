//! What an exchange reads its request body from and writes its answer to.

use super::http2::Http2Stream;
use crate::buffer::Buffer;
use crate::wire::Wire;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The client's end of an exchange.
pub(crate) type ClientIo = Wire<TlsStream<TcpStream>, Http2Stream>;

impl ClientIo {
    /// The answer has begun and cannot be completed. Over HTTP/1 the close of the connection says so.
    pub(crate) async fn break_off(&mut self) {
        if let Wire::Http2(stream) = self {
            stream.break_off().await;
        }
    }

    /// Whether the client has gone. What it sends meanwhile (its body, the next request) is kept in `input`, as far as
    /// there is room. A client that closes only its sending side counts as gone, as with nginx; over HTTP/2 that is how
    /// each request ends, and only a reset counts.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>, input: &mut Buffer) -> bool {
        if let Wire::Http2(stream) = self {
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
