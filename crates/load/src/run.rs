//! A run: connections that send a mix of requests, each on its own, until they are told to stop.
//!
//! This is the crate's front door; what a connection does is in `job.rs`.

use crate::book::Book;
use crate::client::Client;
use crate::clock;
use crate::connection::Protocol;
use crate::job::Job;
use crate::kind::RequestKind;
use crate::ledger::{Ledger, Tally};
use crate::pace::{Pace, Schedule};
use http::HeaderName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Default limit of one request, from sending to the last byte of its answer.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Default bound on the requests of one run (the ledger remembers each in 12 bytes).
pub const DEFAULT_MAX_REQUESTS: usize = 10_000_000;
/// Greatest number of connections.
pub const MAX_CONNECTIONS: usize = 10_000;

/// What to send, where, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where to connect.
    pub target: SocketAddr,
    /// `Host` of the requests.
    pub host: String,
    /// Connections; over HTTP/1.1, each has one request in flight at most.
    pub connections: usize,
    /// What is spoken.
    pub protocol: Protocol,
    /// When requests are sent.
    pub pace: Pace,
    /// Kinds of requests, one after the other, over and over.
    pub mix: Vec<RequestKind>,
    /// Header of an answer that names who answered; without it, the gate did.
    pub answerer_header: HeaderName,
    /// Limit of one request, from sending to the last byte of its answer.
    pub timeout: Duration,
    /// The run stops by itself after so many requests.
    pub max_requests: usize,
}

/// Why a run was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing to send.
    #[error("the mix of requests is empty")]
    EmptyMix,
    /// The number of connections is out of range.
    #[error("{0} connections are not between 1 and {MAX_CONNECTIONS}")]
    Connections(usize),
    /// The rate is out of range.
    #[error("{0} requests per second are not between 0.001 and 1000000")]
    Rate(f64),
    /// A kind of request is not HTTP.
    #[error("cannot make a request {path:?} to {host:?}")]
    Request {
        /// Its path.
        path: String,
        /// Its host.
        host: String,
        /// Why.
        #[source]
        source: http::Error,
    },
    /// The system gave no random bytes for the name of the run.
    #[error("cannot make a name for the run")]
    Random(#[source] getrandom::Error),
}

impl Load {
    /// A closed loop of small GETs of `/`; change the fields for more.
    #[must_use]
    pub fn closed_loop(target: SocketAddr, host: &str, connections: usize) -> Self {
        Load {
            target,
            host: host.to_owned(),
            connections,
            protocol: Protocol::Http1,
            pace: Pace::Closed,
            mix: vec![RequestKind::get("/")],
            answerer_header: HeaderName::from_static("x-colour"),
            timeout: DEFAULT_TIMEOUT,
            max_requests: DEFAULT_MAX_REQUESTS,
        }
    }

    /// An open loop of small GETs of `/`. More connections than are ever busy cost nothing; fewer make it fall
    /// behind.
    #[must_use]
    pub fn open_loop(target: SocketAddr, host: &str, connections: usize, per_second: f64) -> Self {
        Load { pace: Pace::Open { per_second }, ..Self::closed_loop(target, host, connections) }
    }

    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    /// If a setting is out of range or a request of the mix cannot be made.
    pub fn start(self) -> Result<Handle, StartError> {
        self.check()?;
        let mut name = [0; 4];
        getrandom::fill(&mut name).map_err(StartError::Random)?;
        let run = format!("{:08x}", u32::from_be_bytes(name));
        let (stop, stopping) = watch::channel(false);
        let Load { target, protocol, connections, .. } = self;
        let schedule = Schedule::new(self.pace, clock::now());
        let book = Book::new(run, clock::wall_ms(), self.max_requests);
        let job = Arc::new(Job::new(self, schedule, book, stopping));
        let mut workers = JoinSet::new();
        for _ in 0..connections {
            let client = Client::new(target, protocol);
            let streams = if let Protocol::Http2 { streams } = protocol { streams.max(1) } else { 1 };
            for _ in 0..streams {
                workers.spawn(Arc::clone(&job).work(client.clone()));
            }
        }
        Ok(Handle { job, stop, workers })
    }

    fn check(&self) -> Result<(), StartError> {
        if self.mix.is_empty() {
            return Err(StartError::EmptyMix);
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return Err(StartError::Connections(self.connections));
        }
        for kind in &self.mix {
            kind.request(&self.host, "0").map_err(|source| StartError::Request {
                path: kind.path.clone(),
                host: self.host.clone(),
                source,
            })?;
        }
        match self.pace {
            Pace::Open { per_second } if !(0.001..=1e6).contains(&per_second) => {
                Err(StartError::Rate(per_second))
            }
            Pace::Open { .. } | Pace::Closed => Ok(()),
        }
    }
}

/// A run that goes on. Dropping it cuts off what is in flight; [`Handle::stop`] does not.
#[derive(Debug)]
pub struct Handle {
    job: Arc<Job>,
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
}

impl Handle {
    /// The counts up to now.
    #[must_use]
    pub fn progress(&self) -> Tally {
        self.job.book().tally().clone()
    }

    /// Begins no further request, waits for the answers to those in flight, and closes the account.
    pub async fn stop(mut self) -> Ledger {
        self.stop.send_replace(true);
        let due = self.job.due_by(clock::now());
        let behind = due.saturating_sub(self.job.book().tally().sent);
        // A worker that panicked leaves its request open, and the account counts that as lost.
        while self.workers.join_next().await.is_some() {}
        let empty = Book::new(String::new(), 0, 0);
        std::mem::replace(&mut *self.job.book(), empty).close(clock::wall_ms(), behind)
    }
}
