//! What hyper makes of the bytes that we accept, and of those that we send on.
//!
//! Behind each message stands a second one. If hyper took one byte more or less for the first, the second would not
//! be read, or would be another.

use super::body::decode;
use http_body_util::{BodyExt, Full};
use http1::{Framing, Known, Limits, Parsed, RequestHead, ResponseHead, target, write};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One request as a server's application sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: Vec<u8>,
}

/// As many as we take, and those that sending on adds.
const MOST_FIELDS: usize = 2 * http1::MAX_HEADERS;

pub(crate) const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next.example\r\nConnection: close\r\n\r\n";

pub(crate) fn next() -> Seen {
    let fields = vec![("connection".into(), b"close".to_vec()), ("host".into(), b"next.example".to_vec())];
    Seen { method: "GET".into(), target: "/next".into(), fields, content: Vec::new() }
}

/// What hyper's server reads from a connection that carries exactly `bytes`.
pub(crate) fn read_by_hyper(bytes: &[u8]) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let content = body.collect().await?.to_bytes().to_vec();
            let fields =
                head.headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
            seen.lock().unwrap().push(Seen {
                method: head.method.as_str().into(),
                target: head.uri.to_string(),
                fields: sorted(fields.collect()),
                content,
            });
            Ok::<_, hyper::Error>(hyper::Response::new(Full::new(Bytes::new())))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let connection = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .max_headers(MOST_FIELDS)
            .serve_connection(TokioIo::new(server), service);
        let mut answers = Vec::new();
        // A refused message ends the connection with an error; what was read before it counts.
        let (_, answered) = tokio::join!(connection, client.read_to_end(&mut answers));
        answered.unwrap();
    });
    std::mem::take(&mut *seen.lock().unwrap())
}

fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort();
    fields
}

/// A request that we accept: as we understand it, and as we would send it on.
pub(crate) struct Accepted {
    pub(crate) head: RequestHead,
    pub(crate) content: Vec<u8>,
    pub(crate) consumed: usize,
}

pub(crate) fn accept(input: &[u8]) -> Option<Accepted> {
    let limits = Limits::default();
    let mut head = RequestHead::default();
    let Ok(Parsed::Complete { consumed }) = head.parse(input, &limits) else { return None };
    let body = decode(head.framing(), &input[consumed..], &limits).ok()?;
    Some(Accepted { head, content: body.content, consumed: consumed + body.consumed })
}

/// The request written anew, as a gateway does it, and what its receiver should see.
pub(crate) fn forwarded(accepted: &Accepted) -> Option<(Vec<u8>, Seen)> {
    let head = &accepted.head;
    let mut path = Vec::new();
    target::normalize(head.path(), &mut path).ok()?;
    let mut written_target = Vec::new();
    target::encode(&path, &mut written_target);
    if let Some(query) = head.query() {
        written_target.push(b'?');
        written_target.extend_from_slice(query.as_bytes());
    }
    let mut out = Vec::new();
    let mut fields = Vec::new();
    write::request_line(&mut out, head.method(), &written_target);
    for header in head.headers() {
        if !head.is_hop_by_hop(&header) && header.known != Known::ContentLength {
            write::header(&mut out, header.name, header.value);
            fields.push((header.name.to_ascii_lowercase(), header.value.to_vec()));
        }
    }
    match head.framing() {
        Framing::Length(length) => {
            write::content_length(&mut out, length);
            fields.push(("content-length".into(), length.to_string().into_bytes()));
            write::end(&mut out);
            out.extend_from_slice(&accepted.content);
        }
        Framing::Chunked => {
            write::chunked(&mut out);
            fields.push(("transfer-encoding".into(), b"chunked".to_vec()));
            write::end(&mut out);
            for chunk in accepted.content.chunks(7) {
                write::chunk_head(&mut out, chunk.len() as u64);
                out.extend_from_slice(chunk);
                out.extend_from_slice(write::CHUNK_END);
            }
            write::last_chunk(&mut out, [("X-Trailer", b"t".as_slice())]);
        }
        Framing::None | Framing::UntilClose => write::end(&mut out),
    }
    let target = String::from_utf8(written_target).unwrap();
    let content = accepted.content.clone();
    Some((out, Seen { method: head.method().into(), target, fields: sorted(fields), content }))
}

/// Whether hyper's `Uri` takes the query at all; RFC 3986 does not, but clients send these.
pub(crate) fn is_uri_query(query: &str) -> bool {
    !query.contains(['"', '<', '>', '`', '\\', '^', '{', '|', '}'])
}

/// One response as a client's application sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) content: Vec<u8>,
}

/// What hyper's client reads as the answer to a GET.
pub(crate) fn answer_by_hyper(bytes: &[u8]) -> Option<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(MOST_FIELDS)
            .handshake(TokioIo::new(client))
            .await
            .unwrap();
        let request = hyper::Request::get("/").header("host", "a").body(Full::new(Bytes::new())).unwrap();
        let exchange = async {
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let content = body.collect().await.ok()?.to_bytes().to_vec();
            let fields =
                head.headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
            Some(Answer { status: head.status.as_u16(), fields: sorted(fields.collect()), content })
        };
        let upstream = async {
            let mut request = [0; 1024];
            assert!(server.read(&mut request).await.unwrap() > 0);
            server.write_all(bytes).await.unwrap();
            server.shutdown().await.unwrap();
        };
        tokio::join!(exchange, upstream, connection).0
    })
}

/// A response to a GET written anew with its length, and what its receiver should see; `None` if we refuse it, or if
/// another would follow it.
pub(crate) fn forwarded_response(input: &[u8]) -> Option<(Vec<u8>, Answer)> {
    let limits = Limits::default();
    let mut head = ResponseHead::default();
    let Ok(Parsed::Complete { consumed }) = head.parse(input, &limits) else { return None };
    if head.is_interim() || head.status() == 101 {
        return None;
    }
    let body = decode(head.framing("GET"), &input[consumed..], &limits).ok()?;
    let mut out = Vec::new();
    let mut fields = Vec::new();
    write::status_line(&mut out, head.status(), head.reason());
    for header in head.headers() {
        if !head.is_hop_by_hop(&header) && header.known != Known::ContentLength {
            write::header(&mut out, header.name, header.value);
            fields.push((header.name.to_ascii_lowercase(), header.value.to_vec()));
        }
    }
    if head.framing("GET") != Framing::None {
        write::content_length(&mut out, body.content.len() as u64);
        fields.push(("content-length".into(), body.content.len().to_string().into_bytes()));
    }
    write::end(&mut out);
    out.extend_from_slice(&body.content);
    Some((out, Answer { status: head.status(), fields: sorted(fields), content: body.content }))
}
