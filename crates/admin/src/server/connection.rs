//! One connection: handshake, requests one after the other, and its end.

use super::{HANDSHAKE_TIMEOUT, HEAD_TIMEOUT, LARGEST_HEAD_BYTES, MOST_CONNECTIONS, MOST_HEADERS};
use crate::access::Peer;
use crate::clock;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Tells a request whose answer never ends (an event stream) that the server shuts down.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(pub(crate) watch::Receiver<bool>);

/// All connections of one listener.
pub(super) struct Connections {
    router: Router,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    places: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(super) fn new(router: Router, tls: Option<watch::Receiver<Arc<ServerConfig>>>) -> Connections {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Connections { router, tls, places, stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    /// Accepts the next connection, once there is a place for it. May be dropped at any await.
    pub(super) async fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        while self.tasks.try_join_next().is_some() {}
        // The semaphore is never closed.
        let Ok(place) = self.places.clone().acquire_owned().await else { return Ok(()) };
        let (stream, peer) = listener.accept().await?;
        // Without it a small answer may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let router = self.router.clone();
        let tls = self.tls.as_ref().map(|config| TlsAcceptor::from(Arc::clone(&config.borrow())));
        let stopping = Stopping(self.stop.subscribe());
        self.tasks.spawn(async move {
            serve_one(stream, peer.ip(), tls, router, stopping).await;
            drop(place);
        });
        Ok(())
    }

    /// Lets the requests in flight end, at most for `grace`.
    pub(super) async fn end(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if clock::within(grace, all_ended).await.is_none() {
            tracing::warn!("Admin API requests were cut off at shutdown");
        }
    }
}

async fn serve_one(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stopping: Stopping,
) {
    let Some(tls) = tls else { return serve_stream(stream, peer, router, stopping).await };
    match clock::within(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Some(Ok(stream)) => serve_stream(stream, peer, router, stopping).await,
        Some(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        None => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn serve_stream<S>(stream: S, peer: IpAddr, router: Router, stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stop = stopping.0.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(stopping.clone());
        router.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(LARGEST_HEAD_BYTES)
        .max_headers(MOST_HEADERS);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "Admin API connection ended");
    }
}

/// Waits until the server shuts down.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
