//! What tests stand on: upstreams that record and misbehave on demand, raw sockets, a manual clock. Dev only.
//!
//! It depends on none of the other crates, so that what it counts and checks is independent of what is tested. A
//! mistake here should stop the test, so it may unwrap.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests only: a surprise must stop the test"
)]

pub mod clock;
pub mod frames;
pub mod http2;
pub mod raw;
pub mod scripted;
pub mod service;
pub mod tap;
pub mod upstream;

/// A port of the loopback address that was free a moment ago. For processes that must be told their port; what can
/// bind to port 0 itself should.
#[must_use]
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
