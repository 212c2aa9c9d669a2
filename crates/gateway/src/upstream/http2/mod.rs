//! HTTP/2 towards upstreams (RFC 9113): connections shared by many requests, and a stream as an exchange sees it.
//!
//! In the order of a request: [`pool`] gives a place on a connection, [`head`] makes the request's head, [`stream`]
//! sends it and is both ends of the bodies, [`failure`] says what an error of the stream means for a retry. Frames,
//! HPACK and flow control are the h2 crate's; which requests go where, and how many, is decided here.

mod connection;
mod failure;
mod head;
mod pool;
mod stream;
mod transport;

pub(crate) use failure::StreamFailure;
pub(crate) use head::request;
pub(crate) use pool::{Http2Pools, NoPlace};
pub(crate) use stream::Http2Stream;
