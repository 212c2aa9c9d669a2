//! The two ends of a body: what a [`super::leg::Leg`] reads from, and what it writes to.
//!
//! Over HTTP/1 a body's end and its trailers are bytes among its bytes; the leg's decoder and coding see to them. A
//! stream of HTTP/2 says them beside its payload, so an end that is one speaks through these methods; of all others
//! they cost nothing.

use http::HeaderMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a body comes from. Its end of file is the end of the body, if the end is said out of band.
pub(crate) trait Source: AsyncRead + Unpin {
    /// Whether all was read and the end of the body is known, so that the next read gives the end of file at once.
    fn has_ended(&self) -> bool {
        false
    }

    /// The trailers that came out of band, after the end of file. Asked for once; all of them may be forwarded.
    fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        None
    }
}

/// Where a body goes to.
pub(crate) trait Sink: AsyncWrite + Unpin {
    /// Whether the end of the body is said out of band, by [`Sink::poll_finish`]. Such an end may keep what was
    /// written last until it is flushed or finished.
    fn is_out_of_band(&self) -> bool {
        false
    }

    /// All was written: says the end of the body, with its trailers. Elsewhere, a flush.
    fn poll_finish(&mut self, cx: &mut Context<'_>, _trailers: Option<&HeaderMap>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is; its length, or the end of the connection, is its end.
    Raw,
    /// In chunks (RFC 9112, section 7.1).
    Chunked,
    /// As it is; the sink is told of the end and of the trailers.
    OutOfBand,
}

impl Coding {
    /// The coding of a body towards `sink`; `chunked` says how it is framed if its end stands among its bytes.
    pub(crate) fn towards(sink: &impl Sink, chunked: bool) -> Coding {
        match (sink.is_out_of_band(), chunked) {
            (true, _) => Coding::OutOfBand,
            (false, true) => Coding::Chunked,
            (false, false) => Coding::Raw,
        }
    }
}
