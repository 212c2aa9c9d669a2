//! The account at the end: three parties that counted on their own, and whether they agree.

use crate::tree::numbers::grouped;
use load::ledger::{GATE, Ledger};
use load::reconcile::{BackendCounts, Reconciled, reconcile};
use model::record::{Answerer, Lane};
use release::journal::Move;
use release::machine::Outcome as Ended;
use release::report::duration;
use release::view::ReleaseView;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use telemetry::series::SeriesCounts;

/// What the demo has shown, and whether it is as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Account {
    /// Whether everything is as it should be; the exit code says the same.
    pub(super) ok: bool,
    /// What is not; empty when all is.
    pub(super) complaints: Vec<String>,
    /// Requests that the clients sent.
    pub(super) sent: u64,
    /// Whole answers by who gave them, as the clients saw it.
    pub(super) answered: BTreeMap<String, u64>,
    /// Sent without a whole, checked answer.
    pub(super) lost: u64,
    /// Ids of requests that must not be repeated and reached a backend twice.
    pub(super) duplicated: u64,
    /// Whole answers that were errors: what users saw of version 3.
    pub(super) user_errors: u64,
    /// Whether clients, gate and backends agree on the counts.
    pub(super) agree: bool,
    /// What the gate counted, by who answered.
    pub(super) gate_counted: BTreeMap<String, u64>,
    /// What the backends counted, by colour.
    pub(super) backends_counted: BTreeMap<String, u64>,
    /// Moves of traffic towards a new version, with their times.
    pub(super) switches: Vec<Switch>,
    /// Moves back.
    pub(super) rollbacks: Vec<Switch>,
    /// Median time of an answer, microseconds.
    pub(super) p50_us: Option<u64>,
    /// 99th percentile, microseconds.
    pub(super) p99_us: Option<u64>,
    /// From the first user on version 3 until all were back, milliseconds.
    pub(super) exposure_ms: Option<i64>,
}

/// One move of traffic.
#[derive(Debug, Serialize)]
pub(super) struct Switch {
    /// The version whose release moved it.
    pub(super) version: String,
    /// The new version's share afterwards, percent.
    pub(super) share: u8,
    /// From the intent until every gateway thread ran it, milliseconds.
    pub(super) ms: Option<u64>,
}

/// What the account is made of.
pub(super) struct Evidence<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) backends: &'a BackendCounts,
    /// The gate's counters of the app.
    pub(super) gate: &'a [SeriesCounts],
    /// The releases, in the order in which they were made.
    pub(super) releases: &'a [ReleaseView],
    /// The version that is live now.
    pub(super) live: Option<&'a str>,
}

impl Account {
    pub(super) fn new(evidence: &Evidence<'_>) -> Account {
        let ledger = evidence.ledger;
        let reconciled = reconcile(ledger, evidence.backends);
        let answered = by_answerer(&ledger.tally.answered);
        let gate_counted = counted_by_gate(evidence.gate);
        let broken = evidence.releases.iter().find(|release| release.version == "v3");
        let window = broken.and_then(window);
        let mut account = Account {
            ok: false,
            complaints: Vec::new(),
            sent: ledger.tally.sent,
            lost: ledger.tally.lost,
            duplicated: reconciled.duplicated.count,
            user_errors: ledger.tally.user_errors_total(),
            agree: reconciled.agrees() && answered == gate_counted,
            gate_counted,
            backends_counted: reconciled.received.clone(),
            switches: moves(evidence.releases, |moved| moved.kind == "share" && moved.share > 0),
            rollbacks: moves(evidence.releases, |moved| moved.kind == "restore"),
            p50_us: ledger.tally.quantile_us(0.5),
            p99_us: ledger.tally.quantile_us(0.99),
            exposure_ms: window.map(|(from, to)| to - from),
            answered,
        };
        account.complaints = account.find_complaints(evidence, &reconciled, window);
        account.ok = account.complaints.is_empty();
        account
    }

    fn find_complaints(
        &self,
        evidence: &Evidence<'_>,
        reconciled: &Reconciled,
        window: Option<(i64, i64)>,
    ) -> Vec<String> {
        let ended = |version: &str, outcome: Ended| {
            evidence
                .releases
                .iter()
                .any(|release| release.version == version && release.outcome == Some(outcome))
        };
        let (from, to) = window.unwrap_or((i64::MAX, i64::MAX));
        let outside = evidence.ledger.failures_outside(from, to);
        let colour = evidence.releases.iter().find(|release| release.version == "v3").and_then(new_colour);
        let of_others: u64 = evidence
            .ledger
            .tally
            .user_errors
            .iter()
            .filter(|(by, _)| Some(by.as_str()) != colour)
            .map(|(_, n)| n)
            .sum();
        let checks = [
            (ended("v2", Ended::Promoted), "version 2 was not promoted".to_owned()),
            (evidence.live == Some("v2"), format!("live is {:?} and not version 2", evidence.live)),
            (ended("v3", Ended::RolledBack), "version 3 was not taken back by itself".to_owned()),
            (self.user_errors > 0, "version 3 broke nothing: nothing was shown".to_owned()),
            (of_others == 0, format!("{of_others} errors that users saw are not version 3's")),
            (outside == 0, format!("{outside} requests failed outside version 3's window")),
            (self.lost == 0, format!("{} requests were lost", self.lost)),
            (self.duplicated == 0, format!("{} requests were duplicated", self.duplicated)),
            (reconciled.agrees(), "clients and backends do not agree".to_owned()),
            (
                self.answered == self.gate_counted,
                format!("clients counted {:?}, the gate {:?}", self.answered, self.gate_counted),
            ),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, complaint)| complaint).collect()
    }

    /// The account for a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("Ledger\n");
        let mut row = |name: &str, value: String, note: &str| {
            let _ =
                writeln!(text, "  {name:<22}{value:>12}{}{note}", if note.is_empty() { "" } else { "   " });
        };
        row("requests sent", grouped(self.sent), "");
        for (name, count) in &self.answered {
            row(&format!("answered by {name}"), grouped(*count), "");
        }
        row("lost", grouped(self.lost), "sent, and no whole, right answer came back");
        row("duplicated", grouped(self.duplicated), "a POST that reached a backend twice");
        row("errors users saw", grouped(self.user_errors), "all of them of version 3");
        let agree = if self.agree { "yes" } else { "NO" };
        row("all agree", agree.to_owned(), "clients, gate and backends counted on their own");
        text.push_str("\nMoves of traffic\n");
        for (moves, arrow) in [(&self.switches, "to"), (&self.rollbacks, "back from")] {
            for switch in moves {
                let took = switch.ms.map_or_else(|| "not seen".to_owned(), |ms| format!("{ms} ms"));
                let _ = writeln!(text, "  {arrow:>9} {} {:>4} %   in {took}", switch.version, switch.share);
            }
        }
        if let Some(exposure) = self.exposure_ms {
            let exposure = duration(u64::try_from(exposure).unwrap_or(0));
            let _ = writeln!(text, "\nVersion 3 was before users for {exposure}; nobody had to do anything.");
        }
        for complaint in &self.complaints {
            let _ = writeln!(text, "\nNOT AS IT SHOULD BE: {complaint}");
        }
        text
    }
}

/// From the first user on a version until all were back, milliseconds since the Unix epoch.
fn window(release: &ReleaseView) -> Option<(i64, i64)> {
    let first = release.moves.iter().find(|moved| moved.kind == "share" && moved.share > 0)?;
    let back = release.moves.iter().rev().find(|moved| moved.kind == "restore")?;
    let took = i64::try_from(back.took_ms?).ok()?;
    Some((first.intended_at_ms, back.intended_at_ms + took))
}

/// The colour of the version that a release brought.
fn new_colour(release: &ReleaseView) -> Option<&'static str> {
    release.colours.iter().find(|colour| colour.is_new).map(|colour| colour.colour.name())
}

fn moves(releases: &[ReleaseView], wanted: impl Fn(&Move) -> bool) -> Vec<Switch> {
    let of_release = |release: &ReleaseView| {
        let moves = release.moves.iter().filter(|moved| wanted(moved));
        moves
            .map(|moved| Switch { version: release.version.clone(), share: moved.share, ms: moved.took_ms })
            .collect::<Vec<_>>()
    };
    releases.iter().flat_map(of_release).collect()
}

/// All three answerers, also those that answered nothing.
fn by_answerer(counts: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<String, u64> = ["blue", "green", GATE].map(|name| (name.to_owned(), 0)).into();
    all.extend(counts.iter().map(|(name, count)| (name.clone(), *count)));
    all
}

/// What the gate answered whole, by who it says gave the answer. What came by the preview is not users' traffic.
fn counted_by_gate(series: &[SeriesCounts]) -> BTreeMap<String, u64> {
    let mut counted = by_answerer(&BTreeMap::new());
    for SeriesCounts { key, counts } in series.iter().filter(|series| series.key.lane == Lane::Share) {
        let whole: u64 = counts.whole.iter().sum();
        let by_gate = if key.answerer == Answerer::Gate { whole } else { counts.gate_errors };
        *counted.entry(GATE.to_owned()).or_default() += by_gate;
        *counted.entry(key.answerer.name().to_owned()).or_default() += whole - by_gate;
    }
    counted
}
