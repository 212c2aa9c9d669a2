//! The counters of one series on one thread.
//!
//! A cell has one writer, its thread. So a count is a plain load, add and store, without a locked instruction, on a
//! cache line that no other thread writes. Readers may come at any time from anywhere.
//!
//! What is open is not stored: it is what was received and has not ended. A reader loads the endings first and the
//! beginnings last (acquire against the writer's release), so it never sees an ending without its beginning, and
//! `received = whole + cut_short + client_left + drained + open` holds in every snapshot by construction.

use crate::counts::{Counts, Examined, Hindered};
use crate::ends::{Begun, Ends, Over};
use crate::found::{Found, Hindrance, Origin, Outcome};
use crate::histogram::Histogram;
use model::policy::MAX_ANSWER_CHECKS;
use model::record::Ending;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whole, cut short, left by the client or drained.
    pub ending: Ending,
    /// Status sent to the client; 0 if none was.
    pub status: u16,
    /// The gate itself answered, because this answerer failed (502, 504, ...), or in nobody's name because it could do nothing
    /// else (503).
    pub gate_error: bool,
    /// A second upstream was tried.
    pub retried: bool,
    /// Bytes of the request body that were read.
    pub request_bytes: u64,
    /// Bytes of the response body that were sent.
    pub response_bytes: u64,
    /// From the head to the last byte of the answer, microseconds; what it waited in a hold is no part of it.
    pub latency_us: u64,
    /// It became a tunnel (WebSocket): its length says nothing about latency.
    pub upgrade: bool,
    /// What the answer said of itself, where somebody asks.
    pub found: Found,
}

/// Counters that one thread writes. Padded to two cache lines, the unit in which x86 prefetches.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Cell {
    received: AtomicU64,
    whole: [AtomicU64; 5],
    cut_short: AtomicU64,
    client_left: AtomicU64,
    drained: AtomicU64,
    gate_errors: AtomicU64,
    retried: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    /// Of those that are open, how many have become streams.
    streams: AtomicU64,
    /// Made by the first request that is sent to an upstream, or answered: most series of a large table never get one, and
    /// it takes 4 KiB.
    answers: OnceLock<Box<Answers>>,
}

/// Tries that were sent to an upstream whole, and what came of them so far. Cumulative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Sent.
    pub asked: u64,
    /// The head of an answer came, other than an interim one.
    pub heads: u64,
    /// It was over without one.
    pub unheard: u64,
    /// Of these, so soon that it says nothing.
    pub withdrawn: u64,
    /// Those that wait now, by the turn in which they were sent.
    pub waiting: [u64; TURNS],
}

pub use crate::ends::TURNS;

/// The turn in which a request was sent, or its answer began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(pub(crate) usize);

impl Heard {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Heard) -> Heard {
        Heard {
            asked: self.asked.saturating_add(other.asked),
            heads: self.heads.saturating_add(other.heads),
            unheard: self.unheard.saturating_add(other.unheard),
            withdrawn: self.withdrawn.saturating_add(other.withdrawn),
            waiting: std::array::from_fn(|turn| {
                let of = |one: &Heard| one.waiting.get(turn).copied().unwrap_or(0);
                of(&self).saturating_add(of(&other))
            }),
        }
    }
}

/// What is known of what was sent to upstreams, and of answers, only.
#[derive(Debug, Default)]
struct Answers {
    asked: AtomicU64,
    heads: AtomicU64,
    unheard: AtomicU64,
    withdrawn: AtomicU64,
    waiting: [AtomicU64; TURNS],
    /// Which turn it is; 0: nobody says. The one counter here that another thread writes: whoever listens.
    turn: AtomicUsize,
    /// Answers that have begun, by turn.
    ends: Ends,
    latency: Histogram,
    /// What each check of the business has said.
    checks: [Said; MAX_ANSWER_CHECKS],
    /// Why bodies could not be looked into, by [`Hindrance`].
    hindered: [AtomicU64; Hindrance::ALL.len()],
    /// Of answers that were asked: from the right version, from another one, silent.
    origins: [AtomicU64; 3],
}

/// What one check of the business has said, as [`Examined`].
#[derive(Debug, Default)]
struct Said {
    passed: AtomicU64,
    failed: AtomicU64,
    unexamined: AtomicU64,
}

impl Cell {
    /// A request was claimed for this series. Each call is followed by exactly one [`Cell::end`], by the same
    /// thread.
    pub fn begin(&self) {
        add(&self.received, 1, Ordering::Relaxed);
    }

    /// A request that began here has become a stream. Each call is followed by exactly one [`Cell::stream_closed`], by
    /// the same thread, before the request's end.
    pub fn stream_opened(&self) {
        add(&self.streams, 1, Ordering::Relaxed);
    }

    /// A stream has ended.
    pub fn stream_closed(&self) {
        add(&self.streams, u64::MAX, Ordering::Relaxed);
    }

    /// A request was sent to an upstream whole. Each call is followed by at most one of [`Cell::head`] and
    /// [`Cell::unheard`], by the same thread.
    pub fn asked(&self) -> Turn {
        let answers = self.answers();
        let turn = Turn(answers.turn.load(Ordering::Relaxed));
        add(&answers.asked, 1, Ordering::Relaxed);
        answers.waits(turn, 1);
        turn
    }

    /// The head of its answer has come.
    pub fn head(&self, turn: Turn) {
        let answers = self.answers();
        answers.waits(turn, u64::MAX);
        add(&answers.heads, 1, Ordering::Release);
    }

    /// It is over without one; `withdrawn`: so soon that it says nothing.
    pub fn unheard(&self, turn: Turn, withdrawn: bool) {
        let answers = self.answers();
        answers.waits(turn, u64::MAX);
        add(&answers.withdrawn, u64::from(withdrawn), Ordering::Relaxed);
        add(&answers.unheard, 1, Ordering::Release);
    }

    /// An answer has begun that is no stream of its own kind (101). Each call is followed by exactly one [`Cell::over`], by the
    /// same thread.
    pub fn begun(&self) -> Turn {
        let answers = self.answers();
        answers.ends.begin(answers.turn.load(Ordering::Relaxed))
    }

    /// An answer that had begun is over.
    pub fn over(&self, began: Turn, how: Over) {
        let answers = self.answers();
        answers.ends.over(began, answers.turn.load(Ordering::Relaxed), how);
    }

    /// What came of the answers that have begun; a few loads, as [`Cell::judged`].
    #[must_use]
    pub fn ends(&self) -> Begun {
        self.answers.get().map(|answers| answers.ends.snapshot()).unwrap_or_default()
    }

    /// From now on it is this turn, from 1 on; 0: nobody listens. Only one thread says so.
    pub fn turn(&self, number: usize) {
        // Of one that nobody was sent to yet there is none; the first are then of turn 0, which is that of nobody.
        let Some(answers) = self.answers.get() else { return };
        let turn = &answers.turn;
        // Said again and again; the request thread keeps its cache line.
        if turn.load(Ordering::Relaxed) != number {
            turn.store(number, Ordering::Relaxed);
        }
    }

    /// What came of the requests that were sent to upstreams; a few loads, as [`Cell::judged`].
    #[must_use]
    pub fn heard(&self) -> Heard {
        let Some(answers) = self.answers.get() else { return Heard::default() };
        // What ended first: nobody sees an end without its beginning.
        let heads = answers.heads.load(Ordering::Acquire);
        let unheard = answers.unheard.load(Ordering::Acquire);
        let withdrawn = answers.withdrawn.load(Ordering::Relaxed);
        let waiting = load(&answers.waiting);
        Heard { asked: answers.asked.load(Ordering::Relaxed), heads, unheard, withdrawn, waiting }
    }

    fn answers(&self) -> &Answers {
        self.answers.get_or_init(Box::default)
    }

    /// A stream says this of itself as it is opened, before its end.
    pub fn says(&self, found: Found) {
        if !found.is_nothing() {
            self.answers().count(Ending::Whole, found);
        }
    }

    /// A request that began here has ended.
    pub fn end(&self, ended: &Ended) {
        add(&self.gate_errors, u64::from(ended.gate_error), Ordering::Relaxed);
        add(&self.retried, u64::from(ended.retried), Ordering::Relaxed);
        add(&self.request_bytes, ended.request_bytes, Ordering::Relaxed);
        add(&self.response_bytes, ended.response_bytes, Ordering::Relaxed);
        if ended.ending == Ending::Whole && !ended.upgrade {
            self.answers().latency.record(ended.latency_us);
        }
        if !ended.found.is_nothing() {
            self.answers().count(ended.ending, ended.found);
        }
        // Last, and released: who sees the ending also sees all that is counted above, and the beginning.
        add(self.counter_of(ended), 1, Ordering::Release);
    }

    fn counter_of(&self, ended: &Ended) -> &AtomicU64 {
        let [informational, success, redirect, client_error, server_error] = &self.whole;
        match (ended.ending, ended.status) {
            (Ending::Whole, 100..=199) => informational,
            (Ending::Whole, 200..=299) => success,
            (Ending::Whole, 300..=399) => redirect,
            (Ending::Whole, 400..=499) => client_error,
            // A status that cannot be is not counted as a success.
            (Ending::Whole, _) => server_error,
            (Ending::CutShort, _) => &self.cut_short,
            (Ending::ClientLeft, _) => &self.client_left,
            (Ending::Drained, _) => &self.drained,
        }
    }

    /// Requests that can be judged and, of these, those that failed, as [`Counts::requests`] and [`Counts::failed`]
    /// say; a few loads, for who looks often.
    #[must_use]
    pub fn judged(&self) -> (u64, u64) {
        let [informational, success, redirect, client_error, server_error] =
            self.whole.each_ref().map(|class| class.load(Ordering::Acquire));
        let failed = server_error.saturating_add(self.cut_short.load(Ordering::Acquire));
        let good = [informational, success, redirect, client_error].into_iter().fold(0, u64::saturating_add);
        (good.saturating_add(failed), failed)
    }

    /// Requests that were claimed for this series: one load. As long as this stays the same and all of them have ended
    /// (as many as [`Cell::judged`] and [`Cell::unjudged`] say), nothing here changes.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Requests that ended and cannot be judged: the client left, or they were drained.
    #[must_use]
    pub fn unjudged(&self) -> u64 {
        self.client_left.load(Ordering::Acquire).saturating_add(self.drained.load(Ordering::Acquire))
    }

    /// What each check of the business has said; a few loads, as [`Cell::judged`].
    #[must_use]
    pub fn examined(&self) -> [Examined; MAX_ANSWER_CHECKS] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let of = |said: &Said| Examined {
            passed: load(&said.passed),
            failed: load(&said.failed),
            unexamined: load(&said.unexamined),
        };
        self.answers.get().map(|answers| answers.checks.each_ref().map(of)).unwrap_or_default()
    }

    /// What was counted up to now.
    #[must_use]
    pub fn snapshot(&self) -> Counts {
        let whole = self.whole.each_ref().map(|class| class.load(Ordering::Acquire));
        let cut_short = self.cut_short.load(Ordering::Acquire);
        let client_left = self.client_left.load(Ordering::Acquire);
        let drained = self.drained.load(Ordering::Acquire);
        let received = self.received.load(Ordering::Relaxed);
        let ended = whole.iter().sum::<u64>() + cut_short + client_left + drained;
        Counts {
            received,
            whole,
            cut_short,
            client_left,
            drained,
            open: received.saturating_sub(ended),
            streams: self.streams.load(Ordering::Relaxed),
            gate_errors: self.gate_errors.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            request_bytes: self.request_bytes.load(Ordering::Relaxed),
            response_bytes: self.response_bytes.load(Ordering::Relaxed),
            checks: self.examined(),
            hindered: self.answers.get().map(|answers| answers.hindered()).unwrap_or_default(),
            origins: self.answers.get().map(|answers| load(&answers.origins)).unwrap_or_default(),
            latency: self.answers.get().map(|answers| answers.latency.snapshot()).unwrap_or_default(),
        }
    }
}

impl Answers {
    fn waits(&self, turn: Turn, more: u64) {
        if let Some(waiting) = self.waiting.get(turn.0 % TURNS) {
            add(waiting, more, Ordering::Relaxed);
        }
    }

    fn hindered(&self) -> Hindered {
        let mut hindered = Hindered::default();
        for (why, count) in Hindrance::ALL.into_iter().zip(load(&self.hindered)) {
            *hindered.of(why) = count;
        }
        hindered
    }

    fn count(&self, ending: Ending, found: Found) {
        let [passed, failed, unexamined] =
            [Outcome::Passed, Outcome::Failed, Outcome::Unexamined].map(|outcome| found.checks(outcome));
        let [passed, failed, unexamined] = match ending {
            Ending::Whole => [passed, failed, unexamined],
            // What broke off has failed already, whatever its head said.
            Ending::CutShort => [0, 0, passed | failed | unexamined],
            Ending::ClientLeft | Ending::Drained => [0; 3],
        };
        for (place, said) in self.checks.iter().enumerate() {
            add(&said.passed, u64::from(passed >> place & 1), Ordering::Relaxed);
            add(&said.failed, u64::from(failed >> place & 1), Ordering::Relaxed);
            add(&said.unexamined, u64::from(unexamined >> place & 1), Ordering::Relaxed);
        }
        let hindrance = match ending {
            Ending::Whole => found.hindrance(),
            Ending::CutShort => found.hindrance().map(|_| Hindrance::Failed),
            Ending::ClientLeft | Ending::Drained => None,
        };
        if let Some(counter) = hindrance.and_then(|why| self.hindered.get(why as usize)) {
            add(counter, 1, Ordering::Relaxed);
        }
        let [right, other, silent] = &self.origins;
        match found.origin() {
            Some(Origin::Right) => add(right, 1, Ordering::Relaxed),
            Some(Origin::Other) => add(other, 1, Ordering::Relaxed),
            Some(Origin::Silent) => add(silent, 1, Ordering::Relaxed),
            None => {}
        }
    }
}

pub(crate) fn load<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    counters.each_ref().map(|counter| counter.load(Ordering::Relaxed))
}

/// Adds to a counter that only the calling thread writes.
pub(crate) fn add(counter: &AtomicU64, amount: u64, order: Ordering) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), order);
}
