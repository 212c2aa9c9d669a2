//! The plugins in the real gateway, between real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod key_auth;
mod limit_count;
mod request_id;
mod support;
