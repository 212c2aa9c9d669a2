//! A small HTTP/1.1 client on hyper, not on our own codec.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use testkit::clock::within;
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header, empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A kept-alive connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection { sender, host: address.to_string() })
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, hyper::Error> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body.into())).unwrap()).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        within(path, self.send(Method::GET, path, &[], "")).await.unwrap()
    }
}

/// A GET on a new connection.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    get_with(address, path, &[]).await
}

/// A GET with headers on a new connection.
pub(crate) async fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut connection = within("a connection", Connection::open(address)).await.unwrap();
    within(path, connection.send(Method::GET, path, headers, "")).await.unwrap()
}

/// A GET of someone who may not be there.
pub(crate) async fn try_get(address: SocketAddr, path: &str) -> Option<Answer> {
    try_get_with(address, path, &[]).await
}

/// The same with headers.
pub(crate) async fn try_get_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Option<Answer> {
    let mut connection = Connection::open(address).await.ok()?;
    connection.send(Method::GET, path, headers, "").await.ok()
}
