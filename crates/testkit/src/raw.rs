//! A client below HTTP: writes bytes, reads bytes. For what no proper client would send.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection. Each wait ends after [`crate::clock::LIMIT`] and stops the test.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl RawClient {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = crate::clock::within("a connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        RawClient { stream, unread: Vec::new() }
    }

    /// Sends bytes on a connection of their own, closes the sending side, and reads what comes until the peer
    /// closes.
    pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
        let mut client = Self::connect(address).await;
        client.send(bytes).await;
        client.finish().await;
        client.read_to_end().await
    }

    /// Sends bytes. A peer that no longer reads is no error here: what it answered is still to be read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = crate::clock::within("sending", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Closes the sending side.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads up to and with these bytes; or what there is, if the peer closes before.
    pub async fn read_until(&mut self, end: &str) -> String {
        let place = loop {
            let place = self.unread.windows(end.len().max(1)).position(|window| window == end.as_bytes());
            if let Some(place) = place {
                break place + end.len();
            }
            if !self.read_some().await {
                break self.unread.len();
            }
        };
        let rest = self.unread.split_off(place);
        String::from_utf8_lossy(&std::mem::replace(&mut self.unread, rest)).into_owned()
    }

    /// Reads a head, with its empty line.
    pub async fn read_head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    /// Reads exactly so many bytes; fewer if the peer closes before.
    pub async fn read_exactly(&mut self, bytes: usize) -> Vec<u8> {
        while self.unread.len() < bytes && self.read_some().await {}
        let rest = self.unread.split_off(bytes.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }

    /// Reads until the peer closes.
    pub async fn read_to_end(&mut self) -> String {
        while self.read_some().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// Reads what comes next; false once the peer has closed, orderly or not.
    async fn read_some(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        let count = crate::clock::within("an answer", self.stream.read(&mut buffer)).await.unwrap_or(0);
        self.unread.extend_from_slice(&buffer[..count]);
        count > 0
    }
}
