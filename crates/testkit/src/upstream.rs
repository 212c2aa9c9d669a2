//! A recording upstream: a real HTTP/1.1 and HTTP/2 server (hyper) that says its name, keeps what it received, and misbehaves
//! when told to.
//!
//! Its answer proves which request it belongs to. To a request with the id `ID` (header `X-Request-Id`) whose body
//! has the CRC-32 `C`, and with `size=N` in its query, the body is the line `ID C` (8 hex digits, newline) followed
//! by N bytes of the alphabet, over and over. The header `X-Colour` carries the name. `GET /__ids` answers one line
//! `ID COUNT` per id received.

mod answer;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// How many requests are kept to look at; counts by id are kept for all.
const MAX_KEPT: usize = 10_000;

/// One request as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Path and query as they came.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// `X-Request-Id`; empty if it has none.
    pub id: String,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// CRC-32 of its body.
    pub body_crc32: u32,
    /// Whether its body came whole.
    pub complete: bool,
    /// On which connection it came, from 0.
    pub connection: u64,
}

/// How requests are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should be.
    #[default]
    Echo,
    /// With this status and otherwise as it should be.
    Status(StatusCode),
    /// Once [`Upstream::release`] allows it, then as it should be.
    Held,
    /// The head announces the whole body, and the connection is closed after this many bytes of it.
    CutAfter(usize),
    /// The head announces the whole body, and nothing comes after this many bytes of it.
    StallAfter(usize),
    /// The request is read and the connection closed without an answer.
    Hangup,
    /// In the name of another request.
    Lie,
}

#[derive(Debug)]
struct Shared {
    name: String,
    behaviour: Mutex<Behaviour>,
    kept: Mutex<VecDeque<Received>>,
    ids: Mutex<BTreeMap<String, u64>>,
    arrived: watch::Sender<u64>,
    permits: Semaphore,
}

/// A running upstream. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts one on a free port of the loopback address.
    pub async fn start(name: &str) -> Self {
        Self::start_at(name, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one at an address.
    pub async fn start_at(name: &str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            behaviour: Mutex::default(),
            kept: Mutex::default(),
            ids: Mutex::default(),
            arrived: watch::Sender::new(0),
            permits: Semaphore::new(0),
        });
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Upstream { address, shared, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How requests are answered from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.shared.behaviour) = behaviour;
    }

    /// Lets so many held requests be answered, present or to come.
    pub fn release(&self, requests: usize) {
        self.shared.permits.add_permits(requests);
    }

    /// What was received up to now, the last 10,000 requests; a request appears when its body has been read.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        locked(&self.shared.kept).iter().cloned().collect()
    }

    /// How often each id was received.
    #[must_use]
    pub fn ids(&self) -> BTreeMap<String, u64> {
        locked(&self.shared.ids).clone()
    }

    /// Waits until so many request heads have come in all.
    pub async fn arrived(&self, requests: u64) {
        let mut arrived = self.shared.arrived.subscribe();
        let wait = arrived.wait_for(|&count| count >= requests);
        crate::clock::within("the arrival of requests", wait).await.unwrap();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until it is aborted; the connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(serve(stream, number, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, connection: u64, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer::to(request, connection, &shared).await }
    });
    // An error here is a peer that left or a hang-up that was asked for.
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// Reads a request whole and keeps it.
async fn record(request: Request<Incoming>, connection: u64, shared: &Shared) -> Received {
    let (head, mut body) = request.into_parts();
    let id = head.headers.get("x-request-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let id = id.unwrap_or_default();
    *locked(&shared.ids).entry(id.clone()).or_default() += 1;
    shared.arrived.send_modify(|count| *count += 1);
    let (mut digest, mut body_bytes, mut complete) = (crc32fast::Hasher::new(), 0, true);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            complete = false;
            break;
        };
        let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
        body_bytes += data.len() as u64;
        digest.update(&data);
    }
    // Over HTTP/2 the authority is beside the path, not in the target.
    let path = head.uri.path_and_query().filter(|_| head.version == Version::HTTP_2);
    let target = path.map_or_else(|| head.uri.to_string(), ToString::to_string);
    let received = Received {
        method: head.method,
        target,
        headers: head.headers,
        id,
        body_bytes,
        body_crc32: digest.finalize(),
        complete,
        connection,
    };
    let mut kept = locked(&shared.kept);
    if kept.len() == MAX_KEPT {
        kept.pop_front();
    }
    kept.push_back(received.clone());
    received
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
