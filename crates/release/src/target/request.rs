//! One HTTP/1.1 request on a connection of its own: probes and smoke checks. No redirects, bounded answers.

use super::tls;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Largest response head, bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Most of a response body that is read, bytes.
pub(crate) const BODY_MAX: usize = 1024 * 1024;

/// A whole answer, or as much of it as is kept.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the body had more than the most that is read; the rest was not.
    pub(crate) truncated: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("cannot connect to {host}:{port}: {source}")]
    Connect { host: String, port: u16, source: std::io::Error },
    #[error("no TLS with {host}:{port}: {source}")]
    Tls { host: String, port: u16, source: std::io::Error },
    #[error("{host}:{port} gave no proper HTTP answer: {source}")]
    Http { host: String, port: u16, source: hyper::Error },
}

/// Opens a TCP connection.
///
/// # Errors
/// When there is none to be had.
pub(crate) async fn connect(host: &str, port: u16) -> Result<TcpStream, RequestError> {
    let connected = TcpStream::connect((host, port)).await;
    connected.map_err(|source| RequestError::Connect { host: host.to_owned(), port, source })
}

/// Sends a request and reads the answer. Its target must be in origin-form and `Host` be set. Has no limit of its own:
/// the caller drops it when its time is over.
///
/// # Errors
/// When there is no connection, or no proper answer on it.
pub(crate) async fn send(
    host: &str,
    port: u16,
    request: Request<Full<Bytes>>,
) -> Result<Answer, RequestError> {
    let stream = connect(host, port).await?;
    exchange(stream, request, BODY_MAX).await.map_err(no_answer(host, port))
}

/// The same over TLS, whatever the certificate is.
///
/// # Errors
/// As [`send`]; also when there is no TLS to be had.
pub(crate) async fn send_secure(
    host: &str,
    port: u16,
    request: Request<Full<Bytes>>,
) -> Result<Answer, RequestError> {
    let stream = tls::connect(host, connect(host, port).await?).await;
    let stream = stream.map_err(|source| RequestError::Tls { host: host.to_owned(), port, source })?;
    exchange(stream, request, BODY_MAX).await.map_err(no_answer(host, port))
}

fn no_answer(host: &str, port: u16) -> impl FnOnce(hyper::Error) -> RequestError {
    move |source| RequestError::Http { host: host.to_owned(), port, source }
}

/// Sends a request on an open stream and reads at most `body_max` bytes of the answer's body.
///
/// # Errors
/// When there is no proper answer.
pub(crate) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    body_max: usize,
) -> hyper::Result<Answer> {
    let mut builder = http1::Builder::new();
    let (mut sender, connection) = builder.max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream)).await?;
    let answer = async move { read(sender.send_request(request).await?, body_max).await };
    // The connection's own end says nothing that the answer does not.
    let connection = async move {
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        answer = answer => answer,
        answer = connection => answer,
    }
}

async fn read(response: http::Response<hyper::body::Incoming>, body_max: usize) -> hyper::Result<Answer> {
    let (head, mut incoming) = response.into_parts();
    let mut answer =
        Answer { status: head.status, headers: head.headers, body: Vec::new(), truncated: false };
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = body_max - answer.body.len();
        answer.body.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            answer.truncated = true;
            break;
        }
    }
    Ok(answer)
}
