//! One process of Tealgate takes over from another one, and clients do not notice: for a new version, or for settings
//! that are read at the start only.
//!
//! ```text
//! the new one                                                the old one
//! reads and checks its configuration
//! Hello ───────────────────────────────────────────────────►
//!       ◄──────────────────────── Sockets, Lock, Estate       hands duplicates over, goes on as before
//! opens the store, starts its threads, runs the table
//! Ready ───────────────────────────────────────────────────►
//!       ◄─────────────────────────────────────────── Yours    gives the lease back, stops its Admin API
//! accepts connections
//! Serving ─────────────────────────────────────────────────►
//!       ◄──────────────────────────────────────────── Gone    decides: from here there is no way back
//! listens for its own successor, and ends the connection
//! writes the file into the store, controls releases,          drains, and ends
//! serves the Admin API
//! ```
//!
//! The old one decides, by `Gone`; up to then both accept connections and nobody else notices anything. At no moment is a
//! socket closed that the other does not hold: what waits in its queue would be lost.
//!
//! | what happens | who goes on |
//! |---|---|
//! | the new one dies, refuses or is silent before `Serving` | the old one: it takes back what it gave, and says `Refused` |
//! | the new one says `Serving` after that | the old one: the new one reads `Refused`, and ends |
//! | the new one dies after `Serving` and before `Gone` | the old one: `Gone` cannot be sent |
//! | the new one dies after `Gone` | nobody, as when any server dies; who starts it starts it again |
//! | the old one dies before `Gone` | the new one: the end of the connection says so |
//! | the old one says nothing to `Serving` | the old one, when it wakes: the new one hears nothing any more and ends, so that `Gone` cannot be sent |
//!
//! Both talk over a socket in the data directory, which only the owner's processes reach.

mod channel;
mod estate;
mod giver;
mod message;
mod program;
mod taker;
#[cfg(test)]
mod tests;

pub(super) use estate::{Holdings, Use};
pub(super) use giver::{Giver, Successor};
pub(super) use program::{Candidate, Program};
pub use taker::{TakeoverError, Taker};

use crate::cli::serve::Role;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What both sides must speak.
const PROTOCOL: u32 = 2;
/// From `Hello` to `Estate`; longer than a takeover by someone else, which is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// From `Hello` to `Ready`: a large configuration is compiled in it.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// From `Ready` to `Yours`: the old one ends what its controller does.
const YOURS_LIMIT: Duration = Duration::from_secs(30);
/// From `Yours` to `Serving`.
const SERVING_LIMIT: Duration = Duration::from_secs(10);
/// From `Serving` to `Gone`.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// One message.
const MESSAGE_LIMIT: Duration = Duration::from_secs(5);

/// The socket of a role in a data directory.
fn socket_path(data_dir: &Path, role: Role) -> PathBuf {
    data_dir.join(format!("takeover.{}", role.name()))
}
