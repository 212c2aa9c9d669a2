//! The Admin API in both dialects, the release API with its event stream, status, readiness and metrics.
//!
//! Everything here reads and writes the store; the request path never waits for this crate. It is the only user of
//! axum. A request passes, in the order of the modules: [`server`] (socket, TLS, limits), `access` (allow list, key,
//! role), `router`, then one of `apisix` (`:9180`), `api7` (`:7443`), `release_api`, `observe`; the first two are thin
//! and share `resources`, where a write is checked, committed and waited for. `wire` turns bytes into JSON and every
//! refusal into a response.
#![forbid(unsafe_code)]

pub mod advice;
pub mod certificate;
pub mod keys;
pub mod pem;
pub mod server;
pub mod state;
pub mod ttl;

mod access;
mod api7;
mod apisix;
mod clock;
mod consumers;
mod health;
mod observe;
mod private_file;
mod release_api;
mod resources;
mod router;
mod wire;

pub use router::router;
pub use state::{AdminState, Dialect, Readiness};
