//! A WebSocket client (RFC 6455) that is just large enough: short texts out, short frames in; and a server that says them
//! back.

use std::net::SocketAddr;
use testkit::raw::RawClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    /// Close, with its status code.
    Close(u16),
    /// The connection ended without a close frame.
    End,
}

/// An open WebSocket.
pub(crate) struct WebSocket {
    client: RawClient,
}

impl WebSocket {
    /// Opens one.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> WebSocket {
        let mut client = RawClient::connect(address).await;
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.send(handshake).await;
        let head = client.read_head().await;
        // The answer to this key is RFC 6455's own example (section 1.3).
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        WebSocket { client }
    }

    /// Sends a text and gives what comes back.
    pub(crate) async fn ask(&mut self, text: &str) -> Frame {
        self.client.send(masked(0x81, text.as_bytes())).await;
        self.next().await
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Frame {
        let head = self.client.read_exactly(2).await;
        let [first, length] = head[..] else { return Frame::End };
        assert!(length < 126, "longer than any answer here: {length}");
        let payload = self.client.read_exactly(length.into()).await;
        match first {
            0x81 => Frame::Text(String::from_utf8(payload).unwrap()),
            0x88 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("frame {other:#x} {payload:?}"),
        }
    }
}

/// A frame as clients must send them; a mask of zeros leaves the payload as it is.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// An echo of WebSocket bytes behind a head that answers RFC 6455's own example, and a plain answer to all else.
pub(crate) async fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(echo_one(socket, name));
        }
    });
    address
}

async fn echo_one(mut socket: TcpStream, name: &'static str) {
    let _ = socket.set_nodelay(true);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        if String::from_utf8_lossy(&head).contains("Upgrade: websocket") {
            let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            let _ = socket.write_all(switch.as_bytes()).await;
            break;
        }
        let answer = format!("HTTP/1.1 200 OK\r\nX-Colour: {name}\r\nContent-Length: 0\r\n\r\n");
        let _ = socket.write_all(answer.as_bytes()).await;
    }
    // Masks of zeros: what comes can go back unmasked.
    loop {
        let mut head = [0; 6];
        if socket.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = head[1] & 0x7F;
        let mut payload = vec![0; length.into()];
        let _ = socket.read_exact(&mut payload).await;
        let mask = [head[2], head[3], head[4], head[5]];
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let _ = socket.write_all(&[&[head[0], length], payload.as_slice()].concat()).await;
        if head[0] == 0x88 {
            return;
        }
    }
}
