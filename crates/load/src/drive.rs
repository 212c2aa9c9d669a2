//! Driving a load: an open loop at a fixed rate for a fixed time, and what became of each request.
//!
//! A request is due at its moment whoever is slow, waits for a free connection if none is, and its time counts from the
//! moment at which it was due (Gil Tene: "coordinated omission"): a server that stalls for a second shows it in every
//! request that was due in that second. How late the loop itself came is told apart (`lag`): a machine that cannot keep
//! the rate must not be read as a slow server.
//!
//! It keeps no account: who drives takes the samples and judges.

use crate::client::NoAnswer;
use crate::clock;
use crate::kind::RequestKind;
use crate::mix::Order;
use crate::pace::{Pace, Schedule};
use crate::pool::Pool;
use crate::run::{MAX_CONNECTIONS, StartError};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

/// Most requests that are under way or wait for a connection; further ones are not sent, and counted so.
pub const MAX_OPEN: usize = 10_000;
/// Most samples that wait to be taken; further ones are counted only.
const MAX_SAMPLES: usize = 1_000_000;

/// What to send, where, how often and for how long.
#[derive(Clone, Debug)]
pub struct Drive {
    /// Where to connect: the requests go to one after the other, and each gets the whole mix.
    pub targets: Vec<SocketAddr>,
    /// `Host` of the requests; `None`: the address.
    pub host: Option<String>,
    /// Requests per second, over all addresses.
    pub per_second: f64,
    /// From the first request to the last.
    pub duration: Duration,
    /// Kinds of requests and their weights.
    pub mix: Vec<(RequestKind, u32)>,
    /// Most connections, over all addresses; at least one an address.
    pub connections: usize,
    /// From the moment at which a request is due to the last byte of its answer.
    pub timeout: Duration,
    /// Most bytes of an answer's body.
    pub max_answer_bytes: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// A whole answer with this status.
    Whole(u16),
    /// There was no connection to be had.
    NotConnected,
    /// The connection ended before an answer began.
    NoAnswer,
    /// The answer ended before its end.
    CutShort,
    /// The answer was longer than is read.
    TooLong,
    /// No whole answer in time.
    TimedOut,
    /// Not sent: too many were open.
    NotSent,
}

/// What became of one request. Moments are counted from the start of the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was due.
    pub due: Duration,
    /// How much later than due the loop began with it: the fault of the loop, not of the server.
    pub lag: Duration,
    /// From the moment at which it was due to its end.
    pub took: Duration,
    /// How it ended.
    pub ending: Ending,
}

/// Requests that have not ended.
#[derive(Debug, Default)]
struct Book {
    open: BTreeMap<u64, Duration>,
    samples: Vec<Sample>,
    untold: u64,
    sent: u64,
}

#[derive(Debug)]
struct Job {
    drive: Drive,
    started: Instant,
    order: Order,
    pools: Vec<Pool>,
    book: Mutex<Book>,
    run: String,
}

/// A drive under way. Dropping it closes its connections at once.
#[derive(Debug)]
pub struct Driving {
    job: Arc<Job>,
    task: JoinHandle<()>,
}

impl Drive {
    /// Starts on the current tokio runtime; the first request is due at `started`.
    ///
    /// # Errors
    /// If a setting is out of range or a request of the mix cannot be made.
    pub fn start(self, started: Instant) -> Result<Driving, StartError> {
        if self.mix.iter().all(|(_, weight)| *weight == 0) || self.targets.is_empty() {
            return Err(StartError::EmptyMix);
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return Err(StartError::Connections(self.connections));
        }
        if !(0.001..=1e6).contains(&self.per_second) {
            return Err(StartError::Rate(self.per_second));
        }
        let host = self.host.clone().unwrap_or_else(|| "localhost".to_owned());
        for (kind, _) in &self.mix {
            kind.request(&host, "0").map_err(|source| StartError::Request {
                path: kind.path.clone(),
                host: host.clone(),
                source,
            })?;
        }
        let mut name = [0; 4];
        getrandom::fill(&mut name).map_err(StartError::Random)?;
        let each = self.connections.div_ceil(self.targets.len());
        let pool = |target: &SocketAddr| Pool::new(*target, each, self.max_answer_bytes);
        let job = Arc::new(Job {
            pools: self.targets.iter().map(pool).collect(),
            order: Order::new(self.mix.iter().map(|(_, weight)| *weight)),
            started,
            book: Mutex::default(),
            run: format!("{:08x}", u32::from_be_bytes(name)),
            drive: self,
        });
        let task = tokio::spawn(Arc::clone(&job).go());
        Ok(Driving { job, task })
    }
}

impl Driving {
    /// The requests that have ended since they were last taken, in the order in which they ended.
    #[must_use]
    pub fn take(&self) -> Vec<Sample> {
        std::mem::take(&mut self.job.book().samples)
    }

    /// Requests that were begun, not sent ones included.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.job.book().sent
    }

    /// Requests that have ended and whose samples were not kept, because nobody took them.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.job.book().untold
    }

    /// When the requests that have not ended were due, counted from the start, oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<Duration> {
        self.job.book().open.values().copied().collect()
    }

    /// Whether the last request has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Job {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn go(self: Arc<Self>) {
        let schedule = Schedule::new(Pace::Open { per_second: self.drive.per_second }, self.started);
        let end = self.started + self.drive.duration;
        let mut under_way = JoinSet::new();
        let mut turn = 0;
        while let Some(due) = schedule.due(turn).filter(|due| *due < end) {
            clock::until(due).await;
            if self.begin(turn, due) {
                under_way.spawn(Arc::clone(&self).perform(turn, due));
            }
            while under_way.try_join_next().is_some() {}
            turn += 1;
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Notes that a request begins; false: there is no room for it.
    fn begin(&self, turn: u64, due: Instant) -> bool {
        let due = due.saturating_duration_since(self.started);
        let mut book = self.book();
        book.sent += 1;
        if book.open.len() < MAX_OPEN {
            book.open.insert(turn, due);
            return true;
        }
        book.keep(Sample { due, lag: Duration::ZERO, took: self.drive.timeout, ending: Ending::NotSent });
        false
    }

    async fn perform(self: Arc<Self>, turn: u64, due: Instant) {
        let lag = clock::now().saturating_duration_since(due);
        let ending = self.ending(turn, due).await;
        let took = clock::now().saturating_duration_since(due);
        let due = due.saturating_duration_since(self.started);
        let mut book = self.book();
        book.open.remove(&turn);
        book.keep(Sample { due, lag, took, ending });
    }

    async fn ending(&self, turn: u64, due: Instant) -> Ending {
        let place = usize::try_from(turn % self.pools.len() as u64).unwrap_or_default();
        let kind = self.order.kind(turn).and_then(|kind| self.drive.mix.get(kind));
        let (Some(pool), Some((kind, _))) = (self.pools.get(place), kind) else { return Ending::NotSent };
        let address = pool.target().to_string();
        let host = self.drive.host.as_deref().unwrap_or(&address);
        let Ok(request) = kind.request(host, &format!("{}-{turn}", self.run)) else { return Ending::NotSent };
        match clock::by(due + self.drive.timeout, pool.send(request)).await {
            None => Ending::TimedOut,
            Some(None) => Ending::NotSent,
            Some(Some(Ok(answer))) => Ending::Whole(answer.status.as_u16()),
            Some(Some(Err(NoAnswer::Connect { .. }))) => Ending::NotConnected,
            Some(Some(Err(NoAnswer::AlwaysClosed { .. } | NoAnswer::BeforeHead { .. }))) => Ending::NoAnswer,
            Some(Some(Err(NoAnswer::CutShort { .. }))) => Ending::CutShort,
            Some(Some(Err(NoAnswer::TooLong { .. }))) => Ending::TooLong,
        }
    }
}

impl Book {
    fn keep(&mut self, sample: Sample) {
        if self.samples.len() < MAX_SAMPLES {
            self.samples.push(sample);
        } else {
            self.untold += 1;
        }
    }
}
