//! The account of requests over a release, as the gateways counted them.
//!
//! What the journal keeps is what was read. Of that a release answers for the requests that were claimed under its own epochs,
//! from its first write up to the one that ends it, and for those that were open when it began to write
//! ([`Folded::account_of`]). Both kinds end, and no more of them come: so an account comes to an end, too
//! ([`Account::settled`]).

use super::former::Former;
use crate::journal::Folded;
use model::record::{Answerer, Lane};
use model::resource::Revision;
use serde::{Deserialize, Serialize};
use telemetry::counts::Counts;

/// The gateways' counters for one app, from a release's first change on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// When they were read, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The first epoch that belongs to the release; `None`: it has changed nothing yet.
    pub since: Option<Revision>,
    /// The first epoch that does not belong to it any more; `None`: its last write is still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Revision>,
    /// The gateways whose counters these are.
    pub gateways: Vec<String>,
    /// By epoch, answerer and lane, in this order.
    pub rows: Vec<Row>,
    /// What was counted under the epochs before the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// What is open, whenever it began.
    #[serde(default)]
    pub open: Vec<OpenNow>,
}

/// What is open on an answerer of the app, over all epochs: also what began before the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenNow {
    /// Who answers.
    pub answerer: Answerer,
    /// Requests, streams included.
    pub open: u64,
    /// Of these, streams.
    pub streams: u64,
}

/// One series, added up over routes and gateways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The epoch of the split under which the requests were claimed.
    pub epoch: Revision,
    /// Who answered.
    pub answerer: Answerer,
    /// User traffic, or preview.
    pub lane: Lane,
    /// The counts.
    pub counts: Counts,
}

impl Account {
    /// Requests that a release answers for and that have not ended, streams included.
    #[must_use]
    pub fn unended(&self, until: Option<Revision>) -> u64 {
        let rows = self.rows.iter().filter(|row| is_before(row, until)).map(|row| row.counts.open);
        rows.chain(self.former.iter().map(|former| former.open)).fold(0, u64::saturating_add)
    }

    /// This account with what has ended since of the requests that were open in it, by what is counted `now`. Nothing else
    /// is taken over: what came later is another release's. Where a gateway is missing, so is what it has counted, and
    /// nothing changes.
    #[must_use]
    pub fn settled(&self, now: &Account, until: Option<Revision>) -> Account {
        let mut settled = self.clone();
        if !self.gateways.iter().all(|gateway| now.gateways.contains(gateway)) {
            return settled;
        }
        let mut has_changed = false;
        for row in settled.rows.iter_mut().filter(|row| is_before(row, until) && row.counts.open > 0) {
            let same = |other: &&Row| {
                (other.epoch, other.answerer, other.lane) == (row.epoch, row.answerer, row.lane)
                    && other.counts.received == row.counts.received
            };
            if let Some(other) = now.rows.iter().find(same).filter(|now| now.counts.open < row.counts.open) {
                row.counts = other.counts.clone();
                has_changed = true;
            }
        }
        for former in settled.former.iter_mut().filter(|former| former.open > 0) {
            let same =
                |other: &&Former| other.answerer == former.answerer && other.received == former.received;
            if let Some(other) = now.former.iter().find(same).filter(|now| now.open < former.open) {
                *former = *other;
                has_changed = true;
            }
        }
        if has_changed {
            settled.at_ms = now.at_ms;
        }
        settled
    }

    /// Whether it is a later account of what an earlier one counted: no gateway is missing, and none has begun anew.
    fn goes_on_from(&self, earlier: &Account) -> bool {
        let received = |account: &Account| {
            account.rows.iter().map(|row| row.counts.received).fold(0, u64::saturating_add)
        };
        let is_here = |gateway: &String| self.gateways.contains(gateway);
        earlier.gateways.iter().all(is_here) && received(self) >= received(earlier)
    }
}

impl Folded {
    /// The last account by what the gateways count `now`. One that is closed only comes to its end. Of a release that has ended
    /// before its last counts were written down, the journal has those of an earlier moment: what is counted now is more.
    #[must_use]
    pub(crate) fn account_by(&self, now: Account) -> Account {
        let is_behind = |known: &Account| !self.is_counted && (!self.ended() || now.goes_on_from(known));
        match &self.account {
            Some(known) if !is_behind(known) => known.settled(&now, self.until()),
            _ => now,
        }
    }

    /// What the release answers for of an account that was read: the requests of its own epochs, and what became of
    /// those that were open when it began to write.
    #[must_use]
    pub fn account_of(&self, read: &Account) -> Account {
        let until = self.until();
        let mut account = Account { until, ..read.clone() };
        account.rows.retain(|row| is_before(row, until));
        account.former = Vec::new();
        for now in &read.former {
            let then = self.former.iter().find(|then| then.answerer == now.answerer);
            account.former.extend(then.map(|then| now.since(then)).filter(|since| since.received > 0));
        }
        account
    }

    /// Whether nothing more comes to its account than what is open ends.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_counted || self.ended()
    }

    /// The epoch that ends the release: the one of the write that put everything back, or cleaned up.
    #[must_use]
    pub fn until(&self) -> Option<Revision> {
        let last = self.moves.iter().filter(|moved| ["restore", "clean-up"].contains(&moved.kind.as_str()));
        last.filter_map(|moved| moved.revision).min()
    }
}

fn is_before(row: &Row, until: Option<Revision>) -> bool {
    until.is_none_or(|until| row.epoch < until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Move, fold, read};
    use crate::report::{Ledger, Lost};
    use model::colour::Colour;

    fn row(epoch: Revision, colour: Colour, received: u64, open: u64) -> Row {
        let whole = [0, received - open, 0, 0, 0];
        let counts = Counts { received, whole, open, ..Counts::default() };
        Row { epoch, answerer: colour.into(), lane: Lane::Share, counts }
    }

    fn former(answered: u64, drained: u64, cut_short: u64, open: u64) -> Former {
        let received = answered + drained + cut_short + open;
        let answerer = Answerer::Blue;
        Former { answerer, received, answered, cut_short, client_left: 0, drained, open }
    }

    fn account(at_ms: i64, rows: Vec<Row>, former: Former) -> Account {
        let (gateways, former) = (vec!["gw".to_owned()], vec![former]);
        Account { at_ms, since: Some(5), gateways, rows, former, ..Account::default() }
    }

    /// A release that wrote from revision 5 on and was cleaned up as revision 8; before it 4 were open on blue.
    fn release() -> Folded {
        let requested = crate::journal::Event::Requested(Box::new(crate::example::request("2")));
        let chain = read(&crate::example::journal_of(&[requested])).unwrap();
        let mut folded = fold("shop-2", &chain).unwrap();
        folded.former = vec![former(100, 0, 0, 4)];
        let moved = |kind: &str, revision| {
            let moved = serde_json::json!({"action": kind, "kind": kind, "share": 100, "intended_at_ms": 1,
                "revision": revision, "took_ms": 9});
            serde_json::from_value::<Move>(moved).unwrap()
        };
        folded.moves = vec![moved("share", 5), moved("clean-up", 8)];
        folded
    }

    #[test]
    fn a_release_answers_for_its_own_epochs_and_for_what_was_open_when_it_began() {
        let rows = vec![row(5, Colour::Green, 50, 0), row(8, Colour::Green, 900, 7)];
        let account = release().account_of(&account(1, rows, former(101, 3, 0, 0)));
        assert_eq!((account.rows.len(), account.until), (1, Some(8)), "what came later is not the release's");
        let begun = Former { received: 4, answered: 1, drained: 3, ..former(0, 0, 0, 0) };
        assert_eq!(account.former, [begun]);
        let ledger = Ledger::of(Some(&account), false);
        assert_eq!((ledger.received, ledger.open, ledger.is_unended()), (50, 0, false));
        let lines = ledger.lines(|number| number.to_string());
        let told = lines.iter().position(|(name, _)| name.starts_with("begun before the release")).unwrap();
        let told: Vec<String> =
            lines[told..].iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let expected = [
            "begun before the release, open on blue when it began: 4",
            "– of these, answered: 1",
            "– of these, drained: 3",
            "lost: 0",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_was_open_when_the_account_was_closed_is_followed_to_its_end_and_nothing_else_is() {
        let closed =
            account(1, vec![row(5, Colour::Green, 50, 3), row(8, Colour::Green, 9, 9)], former(100, 0, 0, 4));
        let later = account(
            2,
            vec![row(5, Colour::Green, 50, 0), row(8, Colour::Green, 70, 1)],
            former(100, 2, 2, 0),
        );
        let settled = closed.settled(&later, Some(8));
        let rows = vec![row(5, Colour::Green, 50, 0), row(8, Colour::Green, 9, 9)];
        assert_eq!(settled, account(2, rows, former(100, 2, 2, 0)));
        assert_eq!((closed.unended(Some(8)), settled.unended(Some(8))), (7, 0));
        let lost = Ledger::of(Some(&release().account_of(&settled)), false).lost;
        assert_eq!(lost, Lost::Known(2), "those that began before it and were cut are lost, too");
        assert_eq!(settled.settled(&later, Some(8)), settled, "it has come to its end");
    }

    #[test]
    fn a_release_that_has_ended_before_its_last_counts_were_written_is_told_by_what_is_counted_now() {
        let step = account(1, vec![row(5, Colour::Green, 64, 0)], former(100, 0, 0, 0));
        let rows = vec![row(5, Colour::Green, 64, 0), row(7, Colour::Green, 324, 0)];
        let now = account(2, rows, former(100, 0, 0, 0));
        let mut ended = Folded { account: Some(step.clone()), ended_at_ms: Some(2), ..release() };
        assert_eq!(ended.account_by(now.clone()), now);
        let anew = account(3, vec![row(7, Colour::Green, 9, 0)], former(0, 0, 0, 0));
        assert_eq!(ended.account_by(anew.clone()), step, "what a gateway counts that began anew is less");
        ended.is_counted = true;
        assert_eq!(ended.account_by(now), step, "an account that is closed stays");
        (ended.is_counted, ended.ended_at_ms) = (false, None);
        assert_eq!(ended.account_by(anew.clone()), anew, "one that goes on is what is counted now");
    }

    #[test]
    fn what_a_gateway_counted_that_went_is_not_guessed() {
        let closed = account(1, vec![row(5, Colour::Green, 50, 3)], former(100, 0, 0, 4));
        let other =
            Account { gateways: vec!["other".to_owned()], ..account(2, Vec::new(), former(0, 0, 0, 0)) };
        assert_eq!(closed.settled(&other, Some(8)), closed);
        let fewer = account(2, vec![row(5, Colour::Green, 40, 0)], former(90, 0, 0, 0));
        assert_eq!(closed.settled(&fewer, Some(8)), closed, "what is not the same series is left alone");
    }
}
