//! Messages for the properties: valid ones in many shapes, and damaged ones.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A piece that gets in the way somewhere.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Replace(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, usize),
    Repeat(Index, usize),
}

/// Bytes and words that parsers disagree about.
const SPLINTERS: [&str; 24] = [
    "\r",
    "\n",
    "\r\n",
    " ",
    "\t",
    "\0",
    ":",
    ",",
    ";",
    "\r\n ",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Connection: close\r\n",
    "Connection: x-a\r\n",
    "Host: b\r\n",
    "chunked",
    "0\r\n\r\n",
    "GET /x HTTP/1.1\r\n",
    "\u{e9}",
    "#",
    "%2e%2e/",
    "HTTP/1.0",
    "+",
];

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), select(SPLINTERS.to_vec())).prop_map(|(at, text)| Damage::Insert(at, text)),
        (any::<Index>(), 1..4_usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, len)| Damage::Repeat(at, len)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let end = |at: usize, len: usize| (at + len).min(bytes.len());
        match damage {
            Damage::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Insert(at, text) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, text.bytes());
            }
            Damage::Remove(at, len) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end(at, *len));
            }
            Damage::Repeat(at, len) => {
                let at = at.index(bytes.len());
                let copy = bytes[at..end(at, *len)].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        ("[Xx]-[a-zA-Z0-9]{1,8}", "[!-~]{0,10}").prop_map(|(name, value)| format!("{name}: {value}\r\n")),
        ("[Xx]-[a-z]{1,4}", "[!-~]{1,4}").prop_map(|(name, value)| format!("{name}:\t {value} \r\n")),
        select(vec![
            "Connection: keep-alive, X-a\r\n",
            "Connection: TE\r\n",
            "TE: trailers\r\n",
            "Cookie: a=b\r\n",
            "Keep-Alive: 5\r\n",
            "Accept: */*\r\n",
            "Upgrade: websocket\r\n",
            "Empty:\r\n",
        ])
        .prop_map(str::to_owned),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

/// Content in chunks, with extensions and trailers or without.
fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let chunks = prop::collection::vec((bytes(), select(vec!["", ";e", ";e=f;g=\"h\""])), 0..4);
    let trailers = select(vec!["", "X-Sum: 1\r\n", "Content-Length: 9\r\nX-Sum: 2\r\n"]);
    (chunks, trailers).prop_map(|(chunks, trailers)| {
        let mut body = Vec::new();
        for (chunk, extension) in chunks.into_iter().filter(|(chunk, _)| !chunk.is_empty()) {
            body.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(&chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        body
    })
}

/// Content with its framing field: none, by length, or chunked.
fn content() -> impl Strategy<Value = (String, Vec<u8>)> {
    prop_oneof![
        Just((String::new(), Vec::new())),
        bytes().prop_map(|bytes| (format!("Content-Length: {}\r\n", bytes.len()), bytes)),
        chunks().prop_map(|body| ("Transfer-Encoding: chunked\r\n".to_owned(), body)),
    ]
}

/// A valid request with its content.
pub(crate) fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = select(vec!["GET", "POST", "PUT", "DELETE", "HEAD", "get", "X-Y"]);
    let target = select(vec![
        "/",
        "/a/b?c=d",
        "/a/%2e%2e/b",
        "//a/./b/?",
        "/%41%20%ff?x=%zz",
        "/{a}|b",
        "http://h.example/a?b",
        "http://H.example:80",
    ]);
    let fields = prop::collection::vec(field(), 0..5);
    (method, target, fields, content(), select(vec!["", "\r\n"])).prop_map(
        |(method, target, fields, content, lead)| {
            let head = format!(
                "{lead}{method} {target} HTTP/1.1\r\nHost: h.example\r\n{}{}\r\n",
                fields.concat(),
                content.0
            );
            [head.into_bytes(), content.1].concat()
        },
    )
}

/// A valid response with its content.
pub(crate) fn response() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec!["HTTP/1.1 200 OK", "HTTP/1.0 404 ", "HTTP/1.1 204 No Content", "HTTP/1.1 503"]);
    (line, prop::collection::vec(field(), 0..5), content()).prop_map(|(line, fields, content)| {
        [format!("{line}\r\n{}{}\r\n", fields.concat(), content.0).into_bytes(), content.1].concat()
    })
}

/// Bytes of `message`, damaged in up to `most` places.
pub(crate) fn broken(message: impl Strategy<Value = Vec<u8>>, most: usize) -> impl Strategy<Value = Vec<u8>> {
    (message, prop::collection::vec(damage(), 0..=most)).prop_map(|(bytes, damages)| damaged(bytes, &damages))
}

/// A chunked body and the start of the next message.
pub(crate) fn chunked_body() -> impl Strategy<Value = Vec<u8>> {
    chunks().prop_map(|body| [body, b"GET / HTTP/1.1\r\n".to_vec()].concat())
}
