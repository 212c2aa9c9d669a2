//! Whether a node that was asked says anything but interim answers: what the guard hears a silent version by
//! ([`judge::silence`]). Counted when a request has been sent whole, and when the head of its answer has come or the try
//! is over without one. And whether an answer that has begun ends ([`telemetry::ends`]).

use super::attempt::TryError;
use crate::exchange::Failure;
use crate::timer::{TICK_MS, Timers};
use model::record::Ending;
use telemetry::cell::{Cell, Turn};
use telemetry::ends::Over;

/// Who gives up sooner has not waited: that says nothing about the node. Ticks, half a second.
const PATIENT_TICKS: u64 = 500 / TICK_MS;

/// One try, until the head of its answer has come.
#[derive(Debug)]
pub(super) struct Hearing<'a> {
    cell: &'a Cell,
    timers: &'a Timers,
    /// The tick and the turn in which it was sent; `None`: it has not been, or has been answered.
    asked: Option<(u64, Turn)>,
}

impl<'a> Hearing<'a> {
    /// Nothing was sent yet.
    pub(super) fn new(cell: &'a Cell, timers: &'a Timers) -> Hearing<'a> {
        Hearing { cell, timers, asked: None }
    }

    /// The request was sent to its end; said again, it means nothing.
    pub(super) fn sent(&mut self) {
        if self.asked.is_none() {
            self.asked = Some((self.timers.now(), self.cell.asked()));
        }
    }

    /// The head of the answer has come, perhaps before the request's end.
    pub(super) fn heard(mut self) {
        self.sent();
        if let Some((_, turn)) = self.asked.take() {
            self.cell.head(turn);
        }
    }
}

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        if let Some((at, turn)) = self.asked.take() {
            self.cell.unheard(turn, self.timers.now().saturating_sub(at) < PATIENT_TICKS);
        }
    }
}

/// An answer that has begun, until it is over.
#[derive(Debug)]
pub(super) struct Passing<'a> {
    cell: &'a Cell,
    timers: &'a Timers,
    /// The tick and the turn in which it began.
    at: u64,
    turn: Turn,
    how: Over,
}

impl<'a> Passing<'a> {
    /// Its head has come, and it is no tunnel.
    pub(super) fn begin(cell: &'a Cell, timers: &'a Timers) -> Passing<'a> {
        Passing { cell, timers, at: timers.now(), turn: cell.begun(), how: Over::Void }
    }

    /// That has come of it. Until this is said nothing has: the task was dropped.
    pub(super) fn over(mut self, result: &Result<(), TryError>, ending: Ending) {
        let has_waited = || self.timers.now().saturating_sub(self.at) >= PATIENT_TICKS;
        self.how = match result {
            Ok(()) if ending == Ending::Whole => Over::Whole,
            Err(TryError::Final(Failure::ClientLeft(_))) if has_waited() => Over::Left,
            _ => Over::Void,
        };
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.cell.over(self.turn, self.how);
    }
}
