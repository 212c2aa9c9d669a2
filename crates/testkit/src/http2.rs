//! A recording upstream of HTTP/2 (h2c, prior knowledge): each request's path says how it is answered.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request's body and trailers, once all of it has come |
//! | `/bidi` | the head at once, then each piece as it comes, then the request's trailers |
//! | `/size/N` | N bytes |
//! | `/crumbs/N` | N bytes, each in a frame of its own |
//! | `/trailers/N` | four bytes, and a trailer `x` of N bytes |
//! | `/trailers-only` | a head that ends the stream |
//! | `/early` | a whole answer, though the request goes on |
//! | `/reset/CODE` | RST_STREAM instead of a head |
//! | `/cut/CODE` | a head, four bytes, and once released RST_STREAM |
//! | `/refuse/N` | REFUSED_STREAM to the first N requests, then as `/echo` |
//! | `/lie` | `Content-Length: 10`, four bytes, and the end |
//! | `/interim` | 103, then as `/echo` |
//! | `/held` | nothing until [`Http2Upstream::release`], then as `/echo` |
//! | `/opened` | the head at once, nothing more until [`Http2Upstream::release`] |

mod answer;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// What such an upstream tells its peers at the start of each connection.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Streams at once on a connection; none allowed with 0.
    pub max_streams: u32,
    /// Bytes of a request that may be on the way, per stream.
    pub window_bytes: u32,
    /// Requests after which a connection goes away (GOAWAY) and finishes what it has.
    pub goaway_after: Option<usize>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { max_streams: 100, window_bytes: 65_535, goaway_after: None }
    }
}

/// A request as it was received.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its head.
    pub head: Arc<http::request::Parts>,
    /// Its body, as far as it came.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Option<HeaderMap>,
    /// The code of the RST_STREAM that ended it, if one did.
    pub reset: Option<u32>,
    /// On which connection it came, from 0.
    pub connection: usize,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<usize>,
    closed: watch::Sender<usize>,
    changed: watch::Sender<u64>,
    refusals: Mutex<usize>,
}

/// A running upstream. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Http2Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl Http2Upstream {
    /// Starts one on a free port of the loopback address.
    pub async fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, permits) = (Arc::<Shared>::default(), Arc::new(Semaphore::new(0)));
        let accepting = tokio::spawn(accept(listener, rules, Arc::clone(&shared), Arc::clone(&permits)));
        Http2Upstream { address, shared, permits, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many held requests be answered, present or to come.
    pub fn release(&self, requests: usize) {
        self.permits.add_permits(requests);
    }

    /// The requests that came, in their order, as far as they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        locked(&self.shared.seen).clone()
    }

    /// Connections that were made to it.
    #[must_use]
    pub fn connections(&self) -> usize {
        *locked(&self.shared.connections)
    }

    /// Waits until so many connections have ended.
    pub async fn closed(&self, connections: usize) {
        let mut closed = self.shared.closed.subscribe();
        let wait = closed.wait_for(|count| *count >= connections);
        crate::clock::within("the end of connections", wait).await.unwrap();
    }

    /// Waits until what was received satisfies a condition; `what` names it.
    pub async fn saw(&self, what: &str, condition: impl Fn(&[Seen]) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let all = async {
            while !condition(&locked(&self.shared.seen)) {
                changed.changed().await.unwrap();
            }
        };
        crate::clock::within(what, all).await;
    }
}

impl Drop for Http2Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn note(&self, at: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut locked(&self.seen)[at]);
        self.changed.send_modify(|count| *count += 1);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

async fn accept(listener: TcpListener, rules: Rules, shared: Arc<Shared>, permits: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let number = {
            let mut count = locked(&shared.connections);
            *count += 1;
            *count - 1
        };
        let (shared, permits) = (Arc::clone(&shared), Arc::clone(&permits));
        connections.spawn(async move {
            serve(socket, rules, number, Arc::clone(&shared), permits).await;
            shared.closed.send_modify(|count| *count += 1);
        });
    }
}

async fn serve(socket: TcpStream, rules: Rules, number: usize, shared: Arc<Shared>, permits: Arc<Semaphore>) {
    let _ = socket.set_nodelay(true);
    let builder = server::Builder::new()
        .max_concurrent_streams(rules.max_streams)
        .initial_window_size(rules.window_bytes)
        .handshake::<_, Bytes>(socket);
    let Ok(mut connection) = builder.await else { return };
    let mut streams = JoinSet::new();
    let mut count = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        count += 1;
        if rules.goaway_after == Some(count) {
            connection.graceful_shutdown();
        }
        let exchange = {
            let (head, body) = request.into_parts();
            let seen = Seen {
                head: Arc::new(head.clone()),
                body: Vec::new(),
                trailers: None,
                reset: None,
                connection: number,
            };
            let mut all = locked(&shared.seen);
            all.push(seen);
            let exchange = Exchange {
                at: all.len() - 1,
                request: Request::from_parts(head, body),
                respond,
                shared: Arc::clone(&shared),
                permits: Arc::clone(&permits),
            };
            drop(all);
            shared.changed.send_modify(|count| *count += 1);
            exchange
        };
        streams.spawn(exchange.answer());
    }
}

/// One request and what is needed to answer it.
struct Exchange {
    at: usize,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

impl Exchange {
    /// Notes how the peer gave the stream up.
    fn note_reset(&self, error: &h2::Error) {
        let code = error.reason().unwrap_or(Reason::INTERNAL_ERROR).into();
        self.shared.note(self.at, |seen| seen.reset = Some(code));
    }
}
