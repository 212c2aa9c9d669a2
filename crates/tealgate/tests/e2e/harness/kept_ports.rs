//! Ports that stay a server's own while it is down.

use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// Two ports, for the gateway and the Admin API. Whoever asks the system for any free port gets another one while this lives; a
/// server that is told one of them gets it, because nobody listens here.
#[derive(Debug)]
pub(crate) struct KeptPorts {
    _sockets: [TcpSocket; 2],
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl KeptPorts {
    pub(crate) fn new() -> KeptPorts {
        let (one, gateway) = bound();
        let (other, admin) = bound();
        KeptPorts { _sockets: [one, other], gateway, admin }
    }
}

fn bound() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
