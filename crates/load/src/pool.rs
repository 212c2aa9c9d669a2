//! Connections of an open loop to one address: as many as are busy at once, up to a bound; the rest wait in order.

use crate::client::{Answer, Client, NoAnswer};
use crate::connection::Protocol;
use crate::kind::Body;
use http::Request;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;

#[derive(Debug)]
pub(crate) struct Pool {
    target: SocketAddr,
    max_answer_bytes: u64,
    permits: Semaphore,
    idle: Mutex<Vec<Client>>,
}

impl Pool {
    pub(crate) fn new(target: SocketAddr, connections: usize, max_answer_bytes: u64) -> Pool {
        Pool { target, max_answer_bytes, permits: Semaphore::new(connections), idle: Mutex::default() }
    }

    pub(crate) fn target(&self) -> SocketAddr {
        self.target
    }

    /// Sends a request as soon as a connection is free. If this is dropped, the connection is closed.
    pub(crate) async fn send(&self, request: Request<Body>) -> Option<Result<Answer, NoAnswer>> {
        let _permit = self.permits.acquire().await.ok()?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let client = kept.unwrap_or_else(|| {
            Client::new(self.target, Protocol::Http1).reading_at_most(self.max_answer_bytes)
        });
        let answer = client.send(request).await;
        idle().push(client);
        Some(answer)
    }
}
