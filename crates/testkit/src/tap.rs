//! A tap on the wire: relays connections to an address and keeps the bytes that went there, one buffer a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

type Kept = Arc<Mutex<Vec<Vec<u8>>>>;

/// A running tap. Dropping it closes its connections.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    sent: Kept,
    accepting: JoinHandle<()>,
}

impl Tap {
    /// A tap before an address, on a free port of the loopback address.
    pub async fn before(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap();
        let sent = Kept::default();
        let accepting = tokio::spawn(accept(listener, address, Arc::clone(&sent)));
        Tap { address: own, sent, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was sent through it up to now, in the order of the connections.
    #[must_use]
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.lock().unwrap().clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, address: SocketAddr, sent: Kept) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let number = {
            let mut sent = sent.lock().unwrap();
            sent.push(Vec::new());
            sent.len() - 1
        };
        connections.spawn(relay(client, address, number, Arc::clone(&sent)));
    }
}

/// Relays until one side ends; an error is a peer that left.
async fn relay(client: TcpStream, address: SocketAddr, number: usize, sent: Kept) -> std::io::Result<()> {
    let upstream = TcpStream::connect(address).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_upstream, mut to_upstream) = upstream.into_split();
    let down = tokio::io::copy(&mut from_upstream, &mut to_client);
    let up = async {
        let mut piece = [0; 16 * 1_024];
        loop {
            let count = from_client.read(&mut piece).await?;
            if count == 0 {
                return to_upstream.shutdown().await;
            }
            sent.lock().unwrap()[number].extend_from_slice(&piece[..count]);
            to_upstream.write_all(&piece[..count]).await?;
        }
    };
    tokio::try_join!(up, down).map(|_| ())
}
