//! Holds the client's ledger against what the backends counted themselves.
//!
//! Both sides know ids, so they are compared request by request, not sum by sum: two mistakes cannot cancel out.

use crate::ledger::{GATE, Ledger, Sent};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many ids are named of each kind of finding.
const MAX_NAMED: usize = 100;

/// How often each backend received each id. Instances of one colour are one backend: their counts add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendCounts {
    by_backend: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A line of a dump that is no id and count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the ids of {backend} is not an id and a count: {text:?}")]
pub struct BadDump {
    /// Whose.
    pub backend: String,
    /// Which, from 1.
    pub line: usize,
    /// Its first 100 characters.
    pub text: String,
}

impl BackendCounts {
    /// Nothing counted, by nobody.
    #[must_use]
    pub fn new() -> Self {
        BackendCounts::default()
    }

    /// A backend received an id so many times.
    pub fn add(&mut self, backend: &str, id: &str, times: u64) {
        let ids = self.by_backend.entry(backend.to_owned()).or_default();
        let count = ids.entry(id.to_owned()).or_default();
        *count = count.saturating_add(times);
    }

    /// A backend's own dump: one line `ID COUNT` per id; an empty text is a backend that received nothing.
    ///
    /// # Errors
    /// On the first line of another form; the lines before it are counted.
    pub fn add_dump(&mut self, backend: &str, text: &str) -> Result<(), BadDump> {
        self.by_backend.entry(backend.to_owned()).or_default();
        for (line, text) in text.lines().enumerate() {
            let pair = text.split_once(' ').and_then(|(id, count)| Some((id, count.parse().ok()?)));
            let Some((id, count)) = pair else {
                let text = text.chars().take(100).collect();
                return Err(BadDump { backend: backend.to_owned(), line: line + 1, text });
            };
            self.add(backend, id, count);
        }
        Ok(())
    }
}

/// Requests of one kind of finding: how many, and the first of them by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How many.
    pub count: u64,
    /// The first 100.
    pub ids: Vec<String>,
}

impl Finding {
    fn note(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < MAX_NAMED {
            self.ids.push(id.to_owned());
        }
    }
}

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Different ids of this run that each backend received.
    pub received: BTreeMap<String, u64>,
    /// Ids whose method is not idempotent and that reached backends more than once.
    pub duplicated: Finding,
    /// Ids whose method is idempotent and that reached backends more than once: retries, which are allowed.
    pub repeated: Finding,
    /// Answered in the name of a backend that never received them.
    pub unseen: Finding,
    /// Received by one backend and answered in the name of another.
    pub crossed: Finding,
    /// Received by a backend, and answered by the gate or lost.
    pub unanswered: Finding,
    /// Ids of this run that were received and never sent.
    pub strangers: Finding,
}

impl Reconciled {
    /// Whether client and backends agree about every request: each answer comes from the backend that it names, and
    /// nothing was received that was not sent.
    #[must_use]
    pub fn agrees(&self) -> bool {
        [&self.unseen, &self.crossed, &self.strangers].iter().all(|finding| finding.count == 0)
    }
}

/// Compares. Ids of other runs and requests without an id (probes, smoke checks) are left out.
#[must_use]
pub fn reconcile(ledger: &Ledger, backends: &BackendCounts) -> Reconciled {
    let mut found = Reconciled::default();
    let mut times: BTreeMap<usize, u64> = BTreeMap::new();
    let mut seen: BTreeSet<(usize, &str)> = BTreeSet::new();
    for (backend, ids) in &backends.by_backend {
        let received = found.received.entry(backend.clone()).or_default();
        for (id, &count) in ids.iter().filter(|(_, count)| **count > 0) {
            let Some(number) = number_of(&ledger.run, id) else { continue };
            *received += 1;
            let Some(request) =
                number.and_then(|number| ledger.requests.get(number).map(|sent| (number, sent)))
            else {
                found.strangers.note(id);
                continue;
            };
            let (number, request) = request;
            let sum = times.entry(number).or_default();
            *sum = sum.saturating_add(count);
            seen.insert((number, backend));
            match ledger.answerer_of(request) {
                Some(answerer) if answerer == backend => {}
                Some(answerer) if answerer != GATE => found.crossed.note(id),
                _ => found.unanswered.note(id),
            }
        }
    }
    for (number, request) in ledger.requests.iter().enumerate() {
        note_answer(ledger, number, request, &seen, &mut found);
        if times.get(&number).is_some_and(|&times| times > 1) {
            let finding = if request.idempotent { &mut found.repeated } else { &mut found.duplicated };
            finding.note(&format!("{}-{number}", ledger.run));
        }
    }
    found
}

fn note_answer(
    ledger: &Ledger,
    number: usize,
    request: &Sent,
    seen: &BTreeSet<(usize, &str)>,
    found: &mut Reconciled,
) {
    let Some(answerer) = ledger.answerer_of(request).filter(|&answerer| answerer != GATE) else { return };
    if !seen.contains(&(number, answerer)) {
        found.unseen.note(&format!("{}-{number}", ledger.run));
    }
}

/// The number in an id of this run; `Some(None)` if it is of this run and has none. `None`: not of this run.
fn number_of(run: &str, id: &str) -> Option<Option<usize>> {
    let number = id.strip_prefix(run)?.strip_prefix('-')?;
    let canonical = number == "0" || !number.starts_with(['0', '+']);
    Some(number.parse().ok().filter(|_| canonical))
}

#[cfg(test)]
mod tests;
