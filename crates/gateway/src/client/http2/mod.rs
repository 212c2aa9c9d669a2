//! A client's HTTP/2 connection (RFC 9113): each of its streams is one exchange, served like one of HTTP/1.
//!
//! The crate `h2` speaks the protocol; what it bounds by itself (streams that were reset and wait, CONTINUATION frames,
//! small and empty DATA frames, the sizes of heads) is not bounded twice. Here are the settings, the deadlines, what a
//! connection may spend on control frames ([`meter`]), and its end.

mod crew;
mod driver;
mod head;
mod meter;
mod outflow;
mod pieces;
mod repeats;
mod serve;
mod stream;
mod trailers;
mod wire;

pub(crate) use crew::Crew;
pub(crate) use driver::serve_http2;
pub(crate) use head::of_lines;
pub(crate) use repeats::Repeats;
pub(crate) use stream::Http2Stream;
