//! What an HTTP/2 connection is spoken over: its socket, which says why it has ended.
//!
//! Since TLS 1.3 a node judges our certificate when our first frames are on their way already: it sends an alert and closes, and
//! the next write fails. For the protocol's half a write that fails is the end, and it would never read the alert. So it is read
//! here, and given to it as what reading has found; what it writes meanwhile goes nowhere.

use super::super::fault::after_handshake;
use super::super::io::UpstreamIo;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads for the alert, of a kilobyte each.
const MAX_READS: usize = 64;

/// An upstream's end of a connection.
#[derive(Debug)]
pub(super) struct Transport {
    io: UpstreamIo,
    /// The node has refused our certificate: nothing is written any more.
    is_refused: bool,
    /// How it has said so, until that is read.
    told: Option<io::Error>,
}

impl Transport {
    pub(super) fn new(io: UpstreamIo) -> Transport {
        Transport { io, is_refused: false, told: None }
    }

    /// What becomes of a write of `length` bytes.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(Err(failed)) = polled else { return polled };
        let is_gone = matches!(failed.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        if !is_gone || !matches!(self.io, UpstreamIo::Tls(_)) {
            return Poll::Ready(Err(failed));
        }
        // What came before the alert is of no use any more.
        for _ in 0..MAX_READS {
            let mut dropped = [0; 1_024];
            let mut read = ReadBuf::new(&mut dropped);
            match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                // The runtime has yet to hear of the end that the write has met.
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(Err(told)) if after_handshake(&told).is_some() => {
                    (self.is_refused, self.told) = (true, Some(told));
                    // It is to read again, though nothing new comes.
                    cx.waker().wake_by_ref();
                    return Poll::Ready(Ok(length));
                }
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Err(failed))
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.told.take() {
            Some(told) => Poll::Ready(Err(told)),
            None => Pin::new(&mut this.io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_refused {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.written(cx, polled, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if this.is_refused {
            return Poll::Ready(Ok(length));
        }
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.written(cx, polled, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_refused {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut this.io).poll_flush(cx).map_ok(|()| 0);
        this.written(cx, polled, 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
