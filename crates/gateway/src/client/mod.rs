//! Towards clients: a connection is served to its end, one exchange after the other.

mod departure;
mod http1;
pub(crate) mod http2;
mod io;

pub(crate) use self::departure::Departure;
pub(crate) use self::http1::{linger, serve_client};
pub(crate) use self::io::ClientIo;

use crate::buffer::Buffer;
use crate::timer::Timer;

/// The client's side of an exchange.
pub(crate) struct Client {
    pub(crate) io: ClientIo,
    /// What was read and belongs to the current request's body or to the next request.
    pub(crate) input: Buffer,
    pub(crate) timer: Timer,
}

/// What becomes of the connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may come.
    KeepAlive,
    /// Closed by us; what the client still sends is read for a while and dropped.
    Close,
    /// Nobody is there any more.
    Gone,
}
