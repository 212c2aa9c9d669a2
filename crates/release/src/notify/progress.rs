//! What was told to whom. Pure; the fold of the journal.

use super::{Mark, Notice};
use model::policy::{NoticeKind, Receiver};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most notices of one release. What comes beyond is left out, but for its end.
const MAX_NOTICES: usize = 256;
/// Most notices that are shown as given up for one receiver.
const MAX_UNSENT: usize = 32;

/// The notices of a release and how far each receiver is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notices {
    receivers: Vec<Receiver>,
    list: Vec<Notice>,
    /// How many were too many.
    left_out: u64,
    told: BTreeMap<String, Told>,
}

/// How far a receiver is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    /// All up to here are delivered or given up.
    up_to: Option<Mark>,
    delivered: u64,
    unsent: Vec<Unsent>,
    given_up: u64,
}

/// A notice that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsent {
    /// The notice's id.
    pub id: String,
    /// What it would have told.
    pub event: NoticeKind,
    /// Why it could not be told.
    pub why: String,
}

/// A receiver in status and report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverView {
    /// Its name.
    pub name: String,
    /// Scheme and host of its address, or where that is found.
    pub to: String,
    /// Notices that it has taken.
    pub delivered: u64,
    /// Notices that it has not taken yet.
    pub waiting: u64,
    /// Notices that were given up.
    pub given_up: u64,
    /// The last of these.
    pub unsent: Vec<Unsent>,
    /// What is wrong with the one that is tried now; known to the controller that tries.
    pub trouble: Option<String>,
}

impl Notices {
    /// Of a release whose receivers these are.
    #[must_use]
    pub fn new(receivers: Vec<Receiver>) -> Notices {
        Notices { receivers, ..Notices::default() }
    }

    /// The receivers.
    #[must_use]
    pub fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// Adds what an entry gave reason to.
    pub(crate) fn add(&mut self, notices: Vec<Notice>) {
        if self.receivers.is_empty() {
            return;
        }
        for notice in notices {
            let is_end = matches!(notice.kind, NoticeKind::RolledBack | NoticeKind::Done);
            if self.list.len() < MAX_NOTICES || is_end {
                self.list.push(notice);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Adds what came of a notice; `failure`: it was given up.
    pub(crate) fn told(&mut self, release: &str, receiver: &str, mark: Mark, failure: Option<&str>) {
        let notice = self.list.iter().find(|notice| notice.mark == mark);
        let told = self.told.entry(receiver.to_owned()).or_default();
        told.up_to = told.up_to.max(Some(mark));
        let Some(why) = failure else {
            told.delivered += 1;
            return;
        };
        told.given_up += 1;
        if let Some(notice) = notice.filter(|_| told.unsent.len() < MAX_UNSENT) {
            told.unsent.push(Unsent { id: notice.id(release), event: notice.kind, why: why.to_owned() });
        }
    }

    /// The next notice for a receiver.
    #[must_use]
    pub fn next(&self, receiver: &Receiver) -> Option<&Notice> {
        self.waiting(receiver).next()
    }

    /// Whether every receiver has everything.
    #[must_use]
    pub fn all_told(&self) -> bool {
        self.receivers.iter().all(|receiver| self.next(receiver).is_none())
    }

    fn waiting(&self, receiver: &Receiver) -> impl Iterator<Item = &Notice> {
        let up_to = self.told.get(&receiver.name).and_then(|told| told.up_to);
        let wanted = receiver.clone();
        let behind = self.list.iter().filter(move |notice| up_to.is_none_or(|up_to| notice.mark > up_to));
        behind.filter(move |notice| wanted.wants(notice.kind))
    }

    /// The receivers as people see them. `trouble` says what is wrong with the delivery that is tried now.
    #[must_use]
    pub fn view(&self, trouble: impl Fn(&str) -> Option<String>) -> Vec<ReceiverView> {
        let view = |receiver: &Receiver| {
            let told = self.told.get(&receiver.name).cloned().unwrap_or_default();
            ReceiverView {
                name: receiver.name.clone(),
                to: receiver.url.shown(),
                delivered: told.delivered,
                waiting: self.waiting(receiver).count() as u64,
                given_up: told.given_up,
                unsent: told.unsent,
                trouble: trouble(&receiver.name),
            }
        };
        self.receivers.iter().map(view).collect()
    }
}
