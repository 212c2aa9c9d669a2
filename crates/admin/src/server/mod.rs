//! Sockets: accepting, TLS, limits, and the end in good order.
//!
//! Connections are few and bounded; whoever is over the bound waits in the kernel's queue. A connection that sends no
//! whole request head in time is closed, which also ends idle keep-alive connections.

mod connection;

use crate::clock;
use axum::Router;
use connection::Connections;
pub(crate) use connection::{Stopping, stopped};
use rustls::ServerConfig;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Most connections of one listener at a time.
pub const MOST_CONNECTIONS: usize = 512;
/// A request head must be there within this, counted from the end of the request before.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A TLS handshake must be done within this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request head, bytes; hyper may read a little more before it looks.
const LARGEST_HEAD_BYTES: usize = 64 * 1024;
/// Most header fields.
const MOST_HEADERS: usize = 100;
/// How long requests may take to end once the server shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (mostly: no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves in the clear until `shutdown` is done; then lets the requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) {
    run(listener, router, None, shutdown).await;
}

/// Serves over TLS until `shutdown` is done; then lets the requests in flight end. A new `config` holds for the connections
/// that come after it.
pub async fn serve_tls(
    listener: TcpListener,
    router: Router,
    config: watch::Receiver<Arc<ServerConfig>>,
    shutdown: impl Future<Output = ()> + Send,
) {
    run(listener, router, Some(config), shutdown).await;
}

async fn run(
    listener: TcpListener,
    router: Router,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut connections = Connections::new(router, tls);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = connections.accept(&listener) => accepted,
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "cannot accept an Admin API connection");
            clock::pause(ACCEPT_PAUSE).await;
        }
    }
    drop(listener);
    connections.end(SHUTDOWN_GRACE).await;
}
