//! A client of a running server's Admin and release API: one request, one JSON answer, or a stream of events.
//!
//! Every wait and every size is bounded. The key is sent and never shown.

pub mod events;
pub mod find;

use crate::client::events::Events;
use crate::client::find::Server;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take. A write is answered when every gateway thread runs it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer, bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    server: Server,
}

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot reach the server at {server}")]
    Connect {
        /// The server's address.
        server: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke, or the answer is none.
    #[error("the server at {server} did not answer {method} {path}")]
    Answer {
        /// The server's address.
        server: String,
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered, and said no.
    #[error("the server refused: {text}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it said.
        text: String,
        /// The whole answer.
        body: Value,
    },
}

/// An answer that took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct TooSlow(Duration);

impl Client {
    /// A client of this server. No connection is made yet.
    #[must_use]
    pub fn new(server: Server) -> Client {
        Client { server }
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// `GET` of a JSON document.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.request(Method::GET, path, None).await
    }

    /// `POST` of a JSON document.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.request(Method::POST, path, Some(body)).await
    }

    /// `GET` of a text.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn get_text(&self, path: &str) -> Result<String, ClientError> {
        let body = self.exchange(Method::GET, path, None).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The server's events from now on.
    ///
    /// # Errors
    /// When there is no good answer.
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        let response = self.send(Method::GET, path, None, "text/event-stream").await?;
        Ok(Events::new(self.checked(response).await?.into_body()))
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let bytes = self.exchange(method.clone(), path, body).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| self.no_answer(&method, path, error))
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, ClientError> {
        let response = self.send(method.clone(), path, body, "application/json").await?;
        let body = Limited::new(self.checked(response).await?.into_body(), MAX_ANSWER_BYTES);
        match timeout(ANSWER_TIMEOUT, body.collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.no_answer(&method, path, error)),
            Err(_) => Err(self.no_answer(&method, path, TooSlow(ANSWER_TIMEOUT))),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, &self.server.authority)
            .header(header::USER_AGENT, concat!("tealgate/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, accept);
        if let Some(key) = &self.server.key {
            request = request.header("x-api-key", key.header());
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let content = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request =
            request.body(Full::new(content)).map_err(|error| self.no_answer(&method, path, error))?;
        let mut connection = self.connect().await?;
        match timeout(ANSWER_TIMEOUT, connection.send_request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.no_answer(&method, path, error)),
            Err(_) => Err(self.no_answer(&method, path, TooSlow(ANSWER_TIMEOUT))),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let failed = |source| ClientError::Connect { server: self.server.url(), source };
        let slow = || std::io::Error::from(std::io::ErrorKind::TimedOut);
        let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.server.authority));
        let socket = socket.await.map_err(|_| failed(slow()))?.map_err(failed)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
        let (sender, connection) = handshake.map_err(|error| failed(std::io::Error::other(error)))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A good answer as it is; any other one as what it says.
    async fn checked(&self, response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let bytes = match timeout(ANSWER_TIMEOUT, body.collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            _ => Bytes::new(),
        };
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Err(ClientError::Refused { status, text: said(&body).unwrap_or(text), body })
    }

    fn no_answer(
        &self,
        method: &Method,
        path: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ClientError {
        let (server, method, path) = (self.server.url(), method.clone(), path.to_owned());
        ClientError::Answer { server, method, path, source: source.into() }
    }
}

/// What an error's body says, in the forms that the APIs use.
fn said(body: &Value) -> Option<String> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let error = text("error_msg").or_else(|| text("message")).or_else(|| text("error"))?;
    match text("description") {
        Some(description) => Some(format!("{error}: {description}")),
        None => Some(error),
    }
}

#[cfg(test)]
mod tests;
