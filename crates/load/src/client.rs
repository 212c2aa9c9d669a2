//! One connection at a time to one address: sends a request, reads its whole answer.
//!
//! This is where "do not hide" is decided. A request goes to a new connection only if hyper hands it back
//! untouched, which is to say no byte of it was written; any other trouble ends it.

use crate::connection::{Connection, Protocol};
use crate::kind::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How much of the beginning of an answer is kept, bytes.
pub const START_BYTES: usize = 4_096;
/// How often one request may find its connection closed before it was written.
const MAX_CLOSED: u32 = 5;

/// A whole answer. Of its body, the beginning and a digest are kept.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Bytes of its body.
    pub length: u64,
    /// CRC-32 of its body.
    pub crc32: u32,
    /// The first [`START_BYTES`] of its body.
    pub start: Bytes,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("could not connect to {target}")]
    Connect { target: SocketAddr, source: std::io::Error },
    #[error("no connection stayed open long enough to send the request")]
    AlwaysClosed { source: hyper::Error },
    #[error("the connection ended after the request was sent and before an answer began")]
    BeforeHead { source: hyper::Error },
    #[error("the answer {status} ended after {bytes} bytes of its body")]
    CutShort { status: StatusCode, bytes: u64, source: hyper::Error },
    #[error("the answer {status} has more than {most} bytes")]
    TooLong { status: StatusCode, most: u64 },
}

impl NoAnswer {
    /// With what caused it, in one line.
    pub(crate) fn explained(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

/// A client with at most one connection, kept open between requests. Clones share it: over HTTP/2, their requests are
/// streams of it at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    target: SocketAddr,
    protocol: Protocol,
    /// Most bytes of an answer's body that are read.
    most: u64,
    open: Arc<Mutex<Option<Connection>>>,
}

impl Client {
    pub(crate) fn new(target: SocketAddr, protocol: Protocol) -> Self {
        Client { target, protocol, most: u64::MAX, open: Arc::default() }
    }

    /// The same, but an answer with a longer body is none; its connection is closed.
    pub(crate) fn reading_at_most(self, most: u64) -> Self {
        Client { most, ..self }
    }

    /// Sends a request and reads its answer to the end. If this fails or is dropped, the connection is closed, or over
    /// HTTP/2 the stream is reset.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Answer, NoAnswer> {
        let mut closed = 0;
        loop {
            let mut connection = self.connection().await?;
            match connection.try_send_request(request).await {
                Ok(response) => {
                    let answer = read(response, self.most).await?;
                    self.keep(connection).await;
                    return Ok(answer);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if closed < MAX_CLOSED => {
                        request = unsent;
                        closed += 1;
                    }
                    Some(_) => return Err(NoAnswer::AlwaysClosed { source: error.into_error() }),
                    None => return Err(NoAnswer::BeforeHead { source: error.into_error() }),
                },
            }
        }
    }

    /// The connection if it is still open, or a new one.
    async fn connection(&self) -> Result<Connection, NoAnswer> {
        let mut open = self.open.lock().await;
        if let Some(mut kept) = open.take()
            && kept.is_usable().await
        {
            *open = kept.share();
            return Ok(kept);
        }
        let failed = |source| NoAnswer::Connect { target: self.target, source };
        let connection = Connection::open(self.target, self.protocol).await.map_err(failed)?;
        *open = connection.share();
        Ok(connection)
    }

    /// Keeps a connection that carries one request at a time for the next one.
    async fn keep(&self, connection: Connection) {
        if matches!(connection, Connection::Http1(_)) {
            *self.open.lock().await = Some(connection);
        }
    }
}

async fn read(response: Response<Incoming>, most: u64) -> Result<Answer, NoAnswer> {
    let (head, mut body) = response.into_parts();
    let (mut length, mut digest, mut start) = (0, crc32fast::Hasher::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|source| NoAnswer::CutShort { status: head.status, bytes: length, source })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len() as u64;
        if length > most {
            return Err(NoAnswer::TooLong { status: head.status, most });
        }
        digest.update(&data);
        let room = START_BYTES.saturating_sub(start.len()).min(data.len());
        start.extend_from_slice(data.get(..room).unwrap_or_default());
    }
    let (status, headers) = (head.status, head.headers);
    Ok(Answer { status, headers, length, crc32: digest.finalize(), start: start.freeze() })
}

#[cfg(test)]
mod tests {
    use super::{Client, Connection, NoAnswer, Protocol};
    use crate::kind::RequestKind;
    use testkit::clock::{eventually, within};
    use testkit::scripted::{ScriptedUpstream, Step};

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    async fn get(client: &Client) -> Result<super::Answer, NoAnswer> {
        within("an answer", client.send(RequestKind::get("/").request("h", "run-0").unwrap())).await
    }

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let script = vec![Step::read_head(), Step::send(ANSWER), Step::read_head(), Step::send(ANSWER)];
        let upstream = ScriptedUpstream::start(vec![script]).await;
        let client = Client::new(upstream.address(), Protocol::Http1);
        assert_eq!(get(&client).await.unwrap().start, "ok");
        assert_eq!(get(&client).await.unwrap().length, 2);
        assert_eq!(upstream.received().len(), 1);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_while_idle_is_opened_anew() {
        let script = vec![Step::read_head(), Step::send(ANSWER)];
        let mut upstream = ScriptedUpstream::start(vec![script]).await;
        let client = Client::new(upstream.address(), Protocol::Http1);
        get(&client).await.unwrap();
        upstream.finished(1).await;
        let closed = async || client.open.lock().await.as_ref().is_some_and(Connection::is_closed);
        eventually("the close", closed).await;
        get(&client).await.unwrap();
        assert_eq!(upstream.received().len(), 2);
    }

    #[tokio::test]
    async fn a_request_that_was_written_is_never_sent_again() {
        let second = vec![Step::read_head(), Step::send(ANSWER), Step::read_head()];
        for end in [vec![], vec![Step::Reset]] {
            let upstream = ScriptedUpstream::start(vec![[second.clone(), end].concat()]).await;
            let client = Client::new(upstream.address(), Protocol::Http1);
            get(&client).await.unwrap();
            assert!(matches!(get(&client).await, Err(NoAnswer::BeforeHead { .. })));
            assert_eq!(upstream.received().len(), 1);
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_says_how_far_it_came() {
        let script = vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")];
        let upstream = ScriptedUpstream::start(vec![script]).await;
        let error = get(&Client::new(upstream.address(), Protocol::Http1)).await.unwrap_err();
        assert!(
            error.explained().starts_with("the answer 200 OK ended after 2 bytes of its body: "),
            "{error}"
        );
    }
}
