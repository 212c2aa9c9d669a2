//! What is asked of the system for a socket that carries requests.

use socket2::SockRef;
use std::io;
use std::net::IpAddr;
use tokio::net::TcpStream;

/// What paces nothing and keeps no model of a network: part of every Linux, and no process needs a right for it.
const WITHOUT_A_NETWORK: &[u8] = b"reno";

/// Sets up a connection to `peer`, as far as that is known.
///
/// No piece waits for the acknowledgement of the one before it. Within one machine there is no network to be fair to:
/// what the system does for one (CUBIC, or BBR with its pacing) costs each segment and can only delay it. A system that
/// does not know the option keeps its own way.
///
/// # Errors
/// The peer is gone already.
pub(crate) fn prepare(socket: &TcpStream, peer: Option<IpAddr>) -> io::Result<()> {
    if peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
        let _ = SockRef::from(socket).set_tcp_congestion(WITHOUT_A_NETWORK);
    }
    socket.set_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_connection_within_the_machine_is_not_paced_and_waits_for_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        prepare(&socket, Some(address.ip())).unwrap();
        assert!(socket.nodelay().unwrap());
        let way = SockRef::from(&socket).tcp_congestion().unwrap();
        assert!(way.starts_with(WITHOUT_A_NETWORK), "{way:?}");
    }
}
