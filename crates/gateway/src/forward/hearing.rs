//! Whether a node that was asked says anything but interim answers: what the guard hears a silent version by
//! ([`judge::silence`]). Counted when a request has been sent whole, and when the head of its answer has come or the try
//! is over without one.

use crate::timer::{TICK_MS, Timers};
use telemetry::cell::{Cell, Turn};

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
