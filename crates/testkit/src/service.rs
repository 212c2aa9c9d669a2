//! Somebody else's service: a real HTTP/1.1 server (hyper) that keeps each request whole and answers by a function. A
//! receiver of webhooks, a source of metrics.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// One request, whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Path and query as they came.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Asked {
    /// The value of a header; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status and body.
    Whole(StatusCode, String),
    /// This status and JSON.
    Json(StatusCode, String),
    /// This status with a header.
    With(StatusCode, &'static str, String),
    /// 200 without a body, after a time.
    Later(Duration),
    /// Nothing, ever: the connection stays open.
    Never,
}

impl Answer {
    /// A status without a body.
    #[must_use]
    pub fn status(status: u16) -> Answer {
        Answer::Whole(StatusCode::from_u16(status).unwrap(), String::new())
    }

    /// 200 and JSON.
    #[must_use]
    pub fn json(body: impl Into<String>) -> Answer {
        Answer::Json(StatusCode::OK, body.into())
    }

    /// 200 and a body.
    #[must_use]
    pub fn ok(body: impl Into<String>) -> Answer {
        Answer::Whole(StatusCode::OK, body.into())
    }
}

/// How a service answers.
pub type Answers = dyn Fn(&Asked) -> Answer + Send + Sync;

struct Shared {
    answers: Mutex<Arc<Answers>>,
    asked: Mutex<Vec<Asked>>,
    count: watch::Sender<usize>,
}

/// A running service. Dropping it closes its port and its connections.
pub struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Service {
    /// Starts one on a free port of the loopback address.
    pub async fn start(answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Service {
        Service::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answers).await
    }

    /// Starts one at an address.
    pub async fn start_at(
        address: SocketAddr,
        answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Service {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::new(Arc::new(answers)),
            asked: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Service { address, shared, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *self.shared.answers.lock().unwrap() = Arc::new(answers);
    }

    /// What was asked up to now.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests have come in all; gives them.
    pub async fn asked_times(&self, times: usize) -> Vec<Asked> {
        let mut count = self.shared.count.subscribe();
        let wait = count.wait_for(|&count| count >= times);
        crate::clock::within("the arrival of requests", wait).await.unwrap();
        self.asked()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answered(request, &shared).await) }
    });
    // An error here is a peer that left.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answered(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked = Asked { method: head.method, target: head.uri.to_string(), headers: head.headers, body };
    let answers = Arc::clone(&*shared.answers.lock().unwrap());
    let answer = answers(&asked);
    shared.asked.lock().unwrap().push(asked);
    shared.count.send_modify(|count| *count += 1);
    let builder = Response::builder();
    match answer {
        Answer::Whole(status, body) => builder.status(status).body(Full::new(body.into())).unwrap(),
        Answer::Json(status, body) => {
            let builder = builder.status(status).header("content-type", "application/json");
            builder.body(Full::new(body.into())).unwrap()
        }
        Answer::With(status, name, value) => {
            builder.status(status).header(name, value).body(Full::default()).unwrap()
        }
        Answer::Later(pause) => {
            crate::clock::pause(pause).await;
            builder.body(Full::default()).unwrap()
        }
        Answer::Never => std::future::pending().await,
    }
}
