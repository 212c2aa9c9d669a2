//! The gateway as its clients and upstreams see it: real sockets on both sides, nothing replaced.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests only: a surprise must stop the test"
)]

mod account;
mod answers;
mod bodies;
mod connections;
mod events;
mod examined;
mod failures;
mod guard;
mod headers;
mod health;
mod hold;
mod http2;
mod http2_upstreams;
mod limits;
mod names;
mod outages;
mod overload;
mod paths;
mod plugins;
mod relayed;
mod retries;
mod router;
mod shadow;
mod shadow_connections;
mod shutdown;
mod smuggling;
mod split;
mod sticky;
mod support;
mod swap;
mod takeover;
mod timeouts;
mod tls;
mod unended;
mod upgrade;
mod upstream_names;
mod upstreams;
mod websocket_ends;
