//! The thread that compares answers. A large body takes its time there, and nobody's else.

use super::Shadow;
use super::compare::{Answer, Head, compare};
use super::tally::Slot;
use crate::kept::Kept;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Pairs that wait to be compared; beyond it they are not.
const MAX_WAITING: usize = 64;

/// All answers to one request.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) shadow: Arc<Shadow>,
    pub(super) slot: Slot,
    pub(super) method: String,
    pub(super) path: String,
    /// What the user got.
    pub(super) live: (Head, Kept),
    /// What the new version said; `None`: nothing.
    pub(super) new: Option<(Head, Kept)>,
    /// What the live version said when it was asked again.
    pub(super) second: Option<(Head, Kept)>,
}

/// Hands pairs to the thread.
#[derive(Debug)]
pub(super) struct Accounts(SyncSender<Pair>);

impl Accounts {
    /// Starts the thread. It ends with what this gives.
    ///
    /// # Errors
    /// When the system has none left.
    pub(super) fn start() -> io::Result<Accounts> {
        let (sender, pairs) = sync_channel(MAX_WAITING);
        std::thread::Builder::new().name("shadow-compare".to_owned()).spawn(move || account(pairs))?;
        Ok(Accounts(sender))
    }

    pub(super) fn compare(&self, pair: Pair) {
        if pair.new.is_none() && pair.second.is_none() {
            return;
        }
        if let Err(TrySendError::Full(pair) | TrySendError::Disconnected(pair)) = self.0.try_send(pair)
            && pair.new.is_some()
        {
            pair.shadow.tally.dropped();
        }
    }
}

fn account(pairs: Receiver<Pair>) {
    for pair in pairs {
        let Pair { shadow, slot, method, path, live, new, second } = pair;
        if let Some(new) = &new {
            let found = compare(answer(&live), answer(new), &shadow.terms);
            shadow.tally.compared((&method, &path), &found);
        }
        if let Some(second) = &second {
            let found = compare(answer(&live), answer(second), &shadow.terms);
            shadow.tally.compared_with_itself(&found);
        }
        // Only now: who waits for all copies to have ended finds them counted.
        drop(slot);
    }
}

fn answer((head, kept): &(Head, Kept)) -> Answer<'_> {
    Answer { head, body: kept.body() }
}
