//! The codec through its public face: one test for each rule, and properties over all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod assembled;
mod assembled_request;
mod chunked;
mod connection;
mod document;
mod framing;
mod generate;
mod host;
mod hostile_bytes;
mod hyper_agrees;
mod oracle;
mod path;
mod pieces;
mod proxy;
mod request_head;
mod request_target;
mod response_head;
mod writing;
