//! A WebSocket client (RFC 6455) that is just large enough: short texts out, short frames in.

use std::net::SocketAddr;
use testkit::raw::RawClient;

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
