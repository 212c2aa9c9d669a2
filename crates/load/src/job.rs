//! What each connection of a run does: take a turn, send, check the answer, write it down.

use crate::book::{Book, Ending, Times};
use crate::client::{Answer, Client, NoAnswer};
use crate::clock;
use crate::kind::{Asked, RequestKind};
use crate::ledger::GATE;
use crate::pace::Schedule;
use crate::run::Load;
use http::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// After a refused connection, how long before the next attempt.
const REFUSED_PAUSE: Duration = Duration::from_millis(20);

/// What the connections of a run share.
#[derive(Debug)]
pub(crate) struct Job {
    load: Load,
    schedule: Schedule,
    turns: AtomicU64,
    book: Mutex<Book>,
    stopping: watch::Receiver<bool>,
}

impl Job {
    pub(crate) fn new(load: Load, schedule: Schedule, book: Book, stopping: watch::Receiver<bool>) -> Self {
        Job { load, schedule, turns: AtomicU64::new(0), book: Mutex::new(book), stopping }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker's part, until the run stops.
    pub(crate) async fn work(self: Arc<Self>, client: Client) {
        let mut stopping = self.stopping.clone();
        while let Some(due) = self.next_turn(&mut stopping).await {
            let begun =
                self.book().begin(|number| self.kind(number).is_some_and(|kind| kind.method.is_idempotent()));
            let Some(number) = begun else { return };
            self.perform(number, due, &client).await;
        }
    }

    /// When the next request is due, once it is; `None` when the run stops.
    async fn next_turn(&self, stopping: &mut watch::Receiver<bool>) -> Option<Instant> {
        if *stopping.borrow() {
            return None;
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let Some(due) = self.schedule.due(turn) else { return Some(clock::now()) };
        tokio::select! {
            biased;
            _ = stopping.wait_for(|&stop| stop) => None,
            () = clock::until(due) => Some(due),
        }
    }

    /// How many requests were due by a moment; 0 for a closed loop.
    pub(crate) fn due_by(&self, moment: Instant) -> u64 {
        self.schedule.due_by(moment)
    }

    fn kind(&self, number: usize) -> Option<&RequestKind> {
        let place = number.checked_rem(self.load.mix.len())?;
        self.load.mix.get(place)
    }

    async fn perform(&self, number: usize, due: Instant, client: &Client) {
        let Some(kind) = self.kind(number) else { return };
        let id = self.book().id(number);
        let sent_ms = clock::wall_ms();
        let ending = match kind.request(&self.load.host, &id) {
            Ok(request) => match clock::within(self.load.timeout, client.send(request)).await {
                Some(Ok(answer)) => self.judge(kind, &id, &answer),
                Some(Err(error)) => {
                    if matches!(error, NoAnswer::Connect { .. }) {
                        clock::pause(REFUSED_PAUSE).await;
                    }
                    Ending::Lost { what: error.explained() }
                }
                None => Ending::Lost { what: format!("no whole answer within {:?}", self.load.timeout) },
            },
            Err(error) => Ending::Lost { what: error.to_string() },
        };
        let took_us = u64::try_from(clock::now().duration_since(due).as_micros()).unwrap_or(u64::MAX);
        self.book().end(number, ending, Times { sent_ms, ended_ms: clock::wall_ms(), took_us });
    }

    fn judge(&self, kind: &RequestKind, id: &str, answer: &Answer) -> Ending {
        let named = answer.headers.get(&self.load.answerer_header).map(HeaderValue::as_bytes);
        let answerer = named.map_or(GATE.into(), String::from_utf8_lossy).into_owned();
        if !answer.status.is_success() {
            let what = format!("{} to {} {}", answer.status, kind.method, kind.path);
            return Ending::Answered { answerer, error: Some(what) };
        }
        let asked = Asked { id, body_crc32: kind.upload.crc32() };
        match kind.check.judge(&asked, answer) {
            Ok(()) => Ending::Answered { answerer, error: None },
            Err(what) => Ending::Wrong { answerer, what },
        }
    }
}
