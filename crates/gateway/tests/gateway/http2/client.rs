//! A client of the crate `h2` that reads whole answers.

use super::super::support::Gate;
use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A connection. Its driver runs until it is closed.
pub(super) struct Client {
    pub(super) send: SendRequest<Bytes>,
    pub(super) driver: JoinHandle<Result<(), h2::Error>>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

/// A request to a path; the gate is asked by the name `h`.
pub(super) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://h{path}"))
}

impl Client {
    pub(super) async fn connect(gate: &Gate) -> Client {
        Client::with(gate, &Builder::new()).await
    }

    pub(super) async fn with(gate: &Gate, builder: &Builder) -> Client {
        let socket = TcpStream::connect(gate.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (send, connection) = builder.handshake(socket).await.unwrap();
        Client { send, driver: tokio::spawn(connection) }
    }

    /// Opens a stream; it ends with its head if `is_all`.
    pub(super) async fn open(
        &self,
        request: http::request::Builder,
        is_all: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = testkit::clock::within("a stream", self.send.clone().ready()).await.unwrap();
        ready.send_request(request.body(()).unwrap(), is_all).unwrap()
    }

    /// Sends a request without content and reads the answer.
    pub(super) async fn ask(&self, request: http::request::Builder) -> Answer {
        let (answer, _) = self.open(request, true).await;
        read(answer).await.unwrap()
    }

    /// Sends a request with content and reads the answer.
    pub(super) async fn ask_with(
        &self,
        request: http::request::Builder,
        content: impl Into<Bytes>,
    ) -> Answer {
        let (answer, mut send) = self.open(request, false).await;
        send.send_data(content.into(), true).unwrap();
        read(answer).await.unwrap()
    }
}

/// Reads a whole answer, or what broke it off.
pub(super) async fn read(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = testkit::clock::within("an answer", answer).await?.into_parts();
    let content = read_content(&mut body).await?;
    let trailers = testkit::clock::within("trailers", body.trailers()).await?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: content, trailers })
}

/// Reads content to its end.
pub(super) async fn read_content(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut content = Vec::new();
    while let Some(piece) = testkit::clock::within("content", body.data()).await {
        let piece = piece?;
        let _ = body.flow_control().release_capacity(piece.len());
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
