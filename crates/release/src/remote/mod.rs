//! Requests to other people's servers: receivers of notifications, sources of evidence.
//!
//! One HTTP/1.1 request on a connection of its own, over TLS where the address says so. The server's certificate is
//! always checked against the authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others). No redirect is
//! followed, no proxy is asked, and time and size of an answer are bounded.

mod tls;

use crate::target::request::{Answer, exchange};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use model::address::WebAddress;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) address: &'a WebAddress,
    /// Names and values; `Host`, `User-Agent` and `Connection` are set here.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// For all of it.
    pub(crate) limit: Duration,
    /// Most of the answer's body that is read, bytes.
    pub(crate) body_max: usize,
}

/// Why there is no answer. Names the host and never path, query or headers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no answer from {address} within {} ms", limit.as_millis())]
    TimedOut { address: String, limit: Duration },
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    #[error("no TLS with {address}: {source}")]
    Tls { address: String, source: std::io::Error },
    #[error("{address} gave no proper HTTP answer: {source}")]
    Http { address: String, source: hyper::Error },
    #[error("the request to {address} is no proper one: {source}")]
    Request { address: String, source: http::Error },
}

/// Sends a request and reads the answer, whatever its status is.
pub(crate) async fn call(call: Call<'_>) -> Result<Answer, CallError> {
    let (address, limit) = (call.address.to_string(), call.limit);
    match timeout(limit, answered(call)).await {
        Ok(answer) => answer,
        Err(_) => Err(CallError::TimedOut { address, limit }),
    }
}

async fn answered(call: Call<'_>) -> Result<Answer, CallError> {
    let address = || call.address.to_string();
    let request = http_request(&call).map_err(|source| CallError::Request { address: address(), source })?;
    let stream = TcpStream::connect((call.address.host.as_str(), call.address.port)).await;
    let stream = stream.map_err(|source| CallError::Connect { address: address(), source })?;
    let answer = if call.address.is_secure {
        let stream = tls::connect(&call.address.host, stream).await;
        let stream = stream.map_err(|source| CallError::Tls { address: address(), source })?;
        exchange(stream, request, call.body_max).await
    } else {
        exchange(stream, request, call.body_max).await
    };
    answer.map_err(|source| CallError::Http { address: address(), source })
}

fn http_request(call: &Call<'_>) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut builder = Request::builder()
        .method(call.method.clone())
        .uri(&call.address.target)
        .header(header::HOST, call.address.authority())
        .header(header::USER_AGENT, concat!("tealgate/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    for (name, value) in &call.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(call.body.clone()))
}
