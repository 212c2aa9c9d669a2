//! What the tests stand on: a world of their own, a Tealgate in it, real backends, clients.

pub(crate) mod admin;
pub(crate) mod certificate;
pub(crate) mod cli;
pub(crate) mod client;
pub(crate) mod gate;
pub(crate) mod kept_ports;
pub(crate) mod nginx;
pub(crate) mod processes;
pub(crate) mod prometheus;
pub(crate) mod python;
pub(crate) mod sample;
pub(crate) mod shell;
pub(crate) mod shop;
pub(crate) mod tls_bridge;
pub(crate) mod websocket;
pub(crate) mod world;
