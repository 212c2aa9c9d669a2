//! The users of the demo: a closed loop of requests of several kinds, each with an id of its own.

use super::stage::HOST;
use crate::error::{Failure, Outcome};
use load::kind::RequestKind;
use load::run::{Handle, Load};
use std::net::SocketAddr;
use std::time::Duration;

/// Users that ask at the same time.
const USERS: usize = 16;

/// Sends the users in.
pub(super) fn start(gateway: SocketAddr) -> Outcome<Handle> {
    let mut load = Load::closed_loop(gateway, HOST, USERS);
    load.mix = vec![
        RequestKind::get("/echo/list"),
        RequestKind::get("/echo/item"),
        RequestKind::post("/echo/order", 512),
        RequestKind::get("/echo/list"),
        RequestKind::download("/echo/picture", 64 * 1024),
        RequestKind::chunked("/echo/upload", 4, 1024),
        RequestKind::get("/echo/item"),
        RequestKind::slow("/echo/form", 3, 128, Duration::from_millis(5)),
    ];
    load.start().map_err(Failure::internal)
}
