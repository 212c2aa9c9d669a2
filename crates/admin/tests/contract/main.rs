//! The Admin API over real sockets against a memory store: every status, envelope and text that it promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod api7;
mod applied;
mod apps;
mod consumers;
mod deletes;
mod events;
mod health;
mod limits;
mod lists;
mod malformed;
mod observe;
mod origins;
mod patches;
mod plugins_and_schemas;
mod releases;
mod ssls;
mod support;
mod ttl;
mod walkthrough;
mod writes;
