//! A client of HTTP/2 that writes and reads frames (RFC 9113, section 4), for what no proper client would send.
#![allow(missing_docs, reason = "the names are the RFC's")]

use crate::raw::RawClient;
use std::net::SocketAddr;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PUSH_PROMISE: u8 = 0x5;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;

pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const WITH_PRIORITY: u8 = 0x20;

pub const NO_ERROR: u32 = 0x0;
pub const PROTOCOL_ERROR: u32 = 0x1;
pub const INTERNAL_ERROR: u32 = 0x2;
pub const FLOW_CONTROL_ERROR: u32 = 0x3;
pub const STREAM_CLOSED: u32 = 0x5;
pub const FRAME_SIZE_ERROR: u32 = 0x6;
pub const REFUSED_STREAM: u32 = 0x7;
pub const CANCEL: u32 = 0x8;
pub const COMPRESSION_ERROR: u32 = 0x9;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What a connection ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream was reset for this reason.
    Reset(u32),
    /// GOAWAY for this reason, or `None` if the connection was closed without.
    Closed(Option<u32>),
    /// The stream was answered with this status and has ended.
    Answered(u16),
}

/// The bytes of a frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of literals that are not indexed (RFC 7541, section 6.2.2).
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let length = text.len();
            if length < 127 {
                block.push(u8::try_from(length).unwrap());
            } else {
                block.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    block.push(u8::try_from(rest % 128).unwrap() | 0x80);
                    rest /= 128;
                }
                block.push(u8::try_from(rest).unwrap());
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The pseudo-header fields of a request.
#[must_use]
pub fn pseudo(method: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "h")]
}

/// A GET of `/` as one HEADERS frame.
#[must_use]
pub fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&pseudo("GET")))
}

/// A POST to `/` whose content is to come.
#[must_use]
pub fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&pseudo("POST")))
}

/// A SETTINGS frame.
#[must_use]
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in values {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// A connection of frames.
#[derive(Debug)]
pub struct Frames(pub RawClient);

impl Frames {
    /// Connects and says nothing.
    pub async fn silent(address: SocketAddr) -> Frames {
        Frames(RawClient::connect(address).await)
    }

    /// Connects, exchanges settings, and reads until ours are acknowledged.
    pub async fn connect(address: SocketAddr) -> Frames {
        Frames::with(address, &[]).await
    }

    /// The same, with settings of the client.
    pub async fn with(address: SocketAddr, values: &[(u16, u32)]) -> Frames {
        let mut frames = Frames::silent(address).await;
        frames.send([PREFACE, &settings(values), &frame(SETTINGS, ACK, 0, &[])].concat()).await;
        while frames.next().await.is_none_or(|frame| (frame.kind, frame.flags) != (SETTINGS, ACK)) {}
        frames
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes).await;
    }

    /// The next frame; `None` once the connection is closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let header = self.0.read_exactly(9).await;
        let [high, middle, low, kind, flags, a, b, c, d] = header[..] else { return None };
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let payload = self.0.read_exactly(length).await;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([a, b, c, d]), payload })
    }

    /// The next frame of a kind; `None` if the connection is closed before.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// How a stream, or the connection, ends.
    pub async fn end_of(&mut self, stream: u32) -> End {
        let mut status = 0;
        while let Some(frame) = self.next().await {
            match frame.kind {
                GOAWAY => {
                    let reason = reason(&frame.payload[4..]);
                    return End::Closed(Some(reason));
                }
                RST_STREAM if frame.stream == stream => return End::Reset(reason(&frame.payload)),
                HEADERS if frame.stream == stream && status == 0 => status = status_of(&frame.payload),
                _ => {}
            }
            let ends = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
            if ends && frame.stream == stream {
                return End::Answered(status);
            }
        }
        End::Closed(None)
    }

    /// Whether the connection still serves: a PING comes back.
    pub async fn is_alive(&mut self) -> bool {
        self.send(frame(PING, 0, 0, b"tealgate")).await;
        while let Some(frame) = self.next().await {
            if (frame.kind, frame.flags, &*frame.payload) == (PING, ACK, b"tealgate") {
                return true;
            }
        }
        false
    }
}

/// The number at the beginning of a payload: the reason of RST_STREAM, the last stream of GOAWAY.
#[must_use]
pub fn reason(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// The status of a header block, if it is the first field: indexed, or a literal with the indexed name.
fn status_of(block: &[u8]) -> u16 {
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    match block {
        // A change of the table's size may come first.
        [first, rest @ ..] if first & 0xE0 == 0x20 => status_of(rest),
        [first @ 0x88..=0x8E, ..] => indexed[usize::from(first - 0x88)],
        // A name of index 8 and a value of three characters, in Huffman's code or not.
        [0x48 | 0x08 | 0x18, 0x03, a, b, c, ..] => {
            std::str::from_utf8(&[*a, *b, *c]).unwrap().parse().unwrap()
        }
        [0x48 | 0x08 | 0x18, 0x82, ..] => huffman(&block[2..4]),
        [0x48 | 0x08 | 0x18, 0x83, ..] => huffman(&block[2..5]),
        _ => panic!("no status: {block:02x?}"),
    }
}

/// Three digits in Huffman's code (RFC 7541, appendix B): `0` to `2` have 5 bits, the others 6.
fn huffman(bytes: &[u8]) -> u16 {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
    let mut number = 0;
    for _ in 0..3 {
        let mut code = bits.by_ref().take(5).fold(0, |code, bit| code << 1 | bit);
        let digit = if code <= 2 {
            code
        } else {
            code = code << 1 | bits.next().unwrap();
            code - 0x19 + 3
        };
        number = number * 10 + digit;
    }
    number
}
