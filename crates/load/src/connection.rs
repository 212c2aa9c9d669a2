//! A connection of hyper's client, in either protocol.

use crate::kind::Body;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What a run speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: a connection carries one request at a time.
    #[default]
    Http1,
    /// HTTP/2 without TLS and without asking first (RFC 9113, section 3.3): a connection carries the requests of so
    /// many workers at once.
    Http2 {
        /// Workers that share a connection, at least 1.
        streams: usize,
    },
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    pub(crate) async fn open(target: SocketAddr, protocol: Protocol) -> io::Result<Connection> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        // The tasks end with the sender or with the socket; an error reaches the requests in flight.
        Ok(match protocol {
            Protocol::Http1 => {
                let (sender, driver) = http1::handshake(stream).await.map_err(io::Error::other)?;
                tokio::spawn(driver);
                Connection::Http1(sender)
            }
            Protocol::Http2 { .. } => {
                let handshake = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, driver) = handshake.map_err(io::Error::other)?;
                tokio::spawn(driver);
                Connection::Http2(sender)
            }
        })
    }

    /// Waits until it can take a request; whether it can.
    pub(crate) async fn is_usable(&mut self) -> bool {
        match self {
            Connection::Http1(sender) => sender.ready().await.is_ok(),
            Connection::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Connection::Http1(sender) => sender.is_closed(),
            Connection::Http2(sender) => sender.is_closed(),
        }
    }

    /// Another hold on it, if it carries several requests at once.
    pub(crate) fn share(&self) -> Option<Connection> {
        match self {
            Connection::Http1(_) => None,
            Connection::Http2(sender) => Some(Connection::Http2(sender.clone())),
        }
    }

    /// Sends a request in the form that the protocol has it.
    pub(crate) async fn try_send_request(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        match self {
            Connection::Http1(sender) => sender.try_send_request(request).await,
            Connection::Http2(sender) => sender.try_send_request(with_authority(request)).await,
        }
    }
}

/// `Host` as `:authority` (RFC 9113, section 8.3.1). A request that comes back unsent is sent on as it is.
fn with_authority(mut request: Request<Body>) -> Request<Body> {
    let Some(host) = request.headers_mut().remove(header::HOST) else { return request };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Authority::from_maybe_shared(host).ok();
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request
}
