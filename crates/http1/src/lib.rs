//! HTTP/1.1 for both sides of a proxy: heads, framing, body codec, serializing. Sans-IO.
//!
//! The crate **rejects rather than repairs** (RFC 9112, RFC 9110): whatever two parsers could read differently is an
//! error with a status code, and the caller closes the connection. What is sent on is written anew from what was
//! parsed, never copied raw. `docs/http1-framing.md` lists every rule with its section and its test.
//!
//! It knows no socket, no clock and no runtime: bytes in, decisions out. Heads are reusable and own their bytes in
//! one buffer, so that a warm connection parses without allocating. Routing, header policy and timeouts do not
//! belong here.
#![forbid(unsafe_code)]

mod body;
mod controls;
#[cfg(test)]
mod damaged;
mod diagnose;
mod field_error;
mod fields;
mod known;
mod limits;
mod message;
pub mod proxy;
mod request;
mod response;
mod scan;
mod syntax;
pub mod target;
pub mod write;

pub use body::{BodyDecoder, BodyError, ChunkedDecoder, Step, check_trailer_bounds, may_trail};
pub use field_error::FieldError;
pub use fields::Header;
pub use known::Known;
pub use limits::{Limits, MAX_HEAD_BYTES, MAX_HEADERS};
pub use message::{Framing, Parsed, Version};
pub use request::{Form, Pseudo, RequestError, RequestHead};
pub use response::{ResponseError, ResponseHead};
