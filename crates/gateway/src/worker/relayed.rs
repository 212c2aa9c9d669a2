//! The PROXY header of a connection: read before anything else, and only from a trusted peer.

use super::Worker;
use crate::request::Connection;
use http1::proxy::{Announced, Progress, parse};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Reads the header and gives the connection the addresses that it says. False: there was none in time, or one that
/// cannot be believed; the connection is to be closed without a word, since it is not known what is spoken on it.
pub(super) async fn read_header(
    worker: &Worker,
    socket: &mut TcpStream,
    connection: &mut Connection,
) -> bool {
    let peer = connection.peer;
    if !worker.settings.trust.covers(peer.ip()) {
        tracing::debug!(%peer, "not trusted to send PROXY headers");
        return false;
    }
    let timer = worker.timers.timer();
    timer.arm(worker.settings.head_timeout_ms);
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes) {
            Ok(Progress::Whole(Announced::Own, _)) => return true,
            Ok(Progress::Whole(Announced::Relayed { source, destination }, _)) => {
                connection.is_relayed(source, destination);
                return true;
            }
            Ok(Progress::Needs(more)) => {
                let have = bytes.len();
                bytes.resize(have + more, 0);
                let space = bytes.get_mut(have..).unwrap_or_default();
                match timer.within(socket.read(space)).await {
                    Ok(Ok(count @ 1..)) => bytes.truncate(have + count),
                    _ => return false,
                }
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "a connection is closed");
                return false;
            }
        }
    }
}
