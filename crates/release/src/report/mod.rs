//! Reports: what a release did, counted and timed, for people and programs.

mod account;
mod amiss;
mod baseline;
mod checks;
mod course;
mod evidence;
mod former;
mod guard;
mod hold;
mod html;
mod ledger;
mod markdown;
mod moves;
mod rehearsal;
mod shadow;
mod standing;
mod timeline;
mod times;
mod users;

pub use account::{Account, OpenNow, Row};
pub use amiss::Amiss;
pub use baseline::Baseline;
pub use checks::{CheckOfVersion, CheckSummary};
pub(crate) use course::in_groups;
pub use course::{Course, MAX_POINTS, Point, Slice};
pub use evidence::Evidence;
#[cfg(test)]
pub(crate) use evidence::tests as tests_of_evidence;
pub(crate) use evidence::{proves_more, strongest, update};
pub use former::Former;
pub use guard::GuardSummary;
pub(crate) use guard::at_least;
pub use hold::{HoldEnd, HoldSummary};
pub use ledger::{Ledger, Lost};
pub use rehearsal::RehearsalSummary;
pub(crate) use shadow::by_reason;
pub use shadow::{Difference, ShadowSummary};
pub(crate) use standing::Seen;
pub use standing::Standing;
pub use timeline::Line;
pub use times::duration;
pub use users::users_on;

use crate::journal::{Chain, Event, Folded, Move, Span};
use crate::machine::{ActionResult, Outcome, Verdict, describe};
use crate::notify::ReceiverView;
use crate::plan::Plan;
use crate::view::{Mood, ended};
use model::colour::Colour;
use serde::{Deserialize, Serialize};
use telemetry::counts::Counts;
use telemetry::report::Judged;
use telemetry::samples::FailureSample;

/// The report of a release, as far as it has come. [`Report::to_markdown`] and [`Report::to_html`] print it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The release.
    pub release: String,
    /// The app.
    pub app: String,
    /// The version.
    pub version: String,
    /// Who started it.
    pub started_by: String,
    /// When, milliseconds since the Unix epoch.
    pub started_at_ms: i64,
    /// When its outcome was decided, milliseconds since the Unix epoch.
    #[serde(default)]
    pub decided_at_ms: Option<i64>,
    /// How it ended; `None`: it goes on.
    pub outcome: Option<Outcome>,
    /// Where it stood when the report was asked for, and what is left to do.
    #[serde(default)]
    pub standing: Option<Standing>,
    /// Why it ended so.
    pub why: Option<String>,
    /// What it has shown, if it is a rehearsal.
    #[serde(default)]
    pub rehearsal: Option<RehearsalSummary>,
    /// The plan, without secrets.
    pub plan: Option<Plan>,
    /// The phases, with their times.
    pub phases: Vec<Span>,
    /// The moves of traffic, from the intent until every gateway ran it; those of guards among them.
    pub moves: Vec<Move>,
    /// The holds under which it moved.
    #[serde(default)]
    pub holds: Vec<HoldSummary>,
    /// The trips of its guard.
    #[serde(default)]
    pub guards: Vec<GuardSummary>,
    /// What the comparisons of both versions found, as it was last or when it was proven.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What happened, in the order of the journal.
    pub timeline: Vec<Line>,
    /// The gates, each with the evidence of its last run on that occasion.
    pub gates: Vec<GateReport>,
    /// The counts by epoch, answerer and lane, at the last moment they were written down.
    pub counts: Option<Account>,
    /// What the checks of the business have said, by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSummary>,
    /// What both colours did over time, at most 600 intervals.
    #[serde(default)]
    pub course: Course,
    /// The account of requests.
    pub ledger: Ledger,
    /// Gateways that went during the release, and with them what they had counted.
    pub gaps: Vec<String>,
    /// Who is told of it, and how far they are.
    #[serde(default)]
    pub notifications: Vec<ReceiverView>,
    /// The new version's last log lines, if it went back.
    pub log_lines: Vec<String>,
    /// The new version's newest failed requests, secrets masked, if it went back.
    pub failures: Vec<FailureSample>,
}

/// A gate in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// Its name.
    pub name: String,
    /// The occasion.
    pub when: String,
    /// The verdict.
    pub verdict: Verdict,
    /// How often it was run.
    pub runs: u32,
    /// One line.
    pub summary: String,
    /// What was asked and what came back.
    pub evidence: Vec<String>,
    /// The account of the copies, of a shadow gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<ShadowSummary>>,
}

impl Report {
    /// Makes the report of a journal.
    #[must_use]
    pub fn of(folded: &Folded, chain: &Chain) -> Report {
        let seen = chain.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Seen { log_lines, failures } => Some((log_lines.clone(), failures.clone())),
            _ => None,
        });
        let (log_lines, failures) = seen.unwrap_or_default();
        let counts = folded.account.as_ref().map(|account| folded.account_of(account));
        Report {
            release: folded.release.clone(),
            app: folded.request.app.clone(),
            version: folded.request.version.clone(),
            started_by: folded.requested_by.clone(),
            started_at_ms: folded.requested_at_ms,
            outcome: folded.outcome(),
            standing: None,
            why: crate::view::why(folded),
            rehearsal: RehearsalSummary::of(folded, counts.as_ref()),
            plan: folded.plan.as_ref().map(Plan::masked),
            phases: folded.spans.clone(),
            moves: moves::moves(folded),
            holds: folded.holds.clone(),
            guards: folded.guards.clone(),
            evidence: folded.evidence.clone(),
            timeline: timeline::timeline(chain),
            gates: gates(folded, chain),
            ledger: Ledger::of(counts.as_ref(), !folded.gaps.is_empty()),
            checks: CheckSummary::all(folded.plan.as_ref(), counts.as_ref()),
            counts,
            course: folded.course.clone(),
            decided_at_ms: folded.decided_at_ms,
            gaps: folded.gaps.iter().cloned().collect(),
            notifications: folded.notices.view(|_| None),
            log_lines,
            failures,
        }
    }

    /// What became of users' requests of the new version besides good answers, in words; `None`: nothing, or no request was
    /// counted.
    fn amiss(&self, number: impl Fn(u64) -> String) -> Option<String> {
        let plan = self.plan.as_ref()?;
        let new = plan.lead()?.new.colour;
        let counts = self.counts.as_ref()?.of_users(new);
        let known = self.known_of(new, &counts);
        let has_gap = !self.gaps.is_empty();
        let amiss = Amiss { failed: known.failed, is_least: has_gap, ..Amiss::of(&counts) };
        if self.outcome != Some(Outcome::Promoted) {
            let words = amiss.words(&self.checks, number);
            return (!words.is_empty()).then(|| words.join(", "));
        }
        let limit = plan.limits.as_ref().and_then(|limits| limits.max_error_rate);
        let users = users_on(new, known.requests, known.failed, limit, has_gap, &number);
        let words = std::iter::once(users).chain(amiss.besides_failures().words(&self.checks, number));
        Some(words.collect::<Vec<_>>().join(", "))
    }

    /// How it stands or ended, in a word or two, and how that is meant. By the journal alone it is not known where a release
    /// stands that goes on.
    #[must_use]
    pub fn headline(&self) -> (&str, Mood) {
        match (&self.standing, self.outcome) {
            (Some(standing), _) => (&standing.headline, standing.mood),
            (None, Some(outcome)) => ended(outcome, self.rehearsal.is_some()),
            (None, None) => ("in flight", Mood::Neutral),
        }
    }

    /// What is known of users' requests of a version, by its counts. Where a gateway went with what it had counted, its guard may
    /// have said more of the new one.
    fn known_of(&self, colour: Colour, counts: &Counts) -> Judged {
        let counted = Judged { requests: counts.requests(), failed: counts.failed() };
        let lead = self.plan.as_ref().and_then(Plan::lead);
        let is_new = lead.is_some_and(|lead| lead.new.colour == colour);
        if is_new && !self.gaps.is_empty() { at_least(counted, &self.guards) } else { counted }
    }

    /// Whether it moved or may have moved traffic, so that there is something to count.
    fn has_counts(&self) -> bool {
        self.counts.as_ref().is_some_and(|account| account.since.is_some())
    }

    /// The report as one HTML page that needs nothing else: no script, no other file.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    /// The report as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self)
    }
}

fn gates(folded: &Folded, chain: &Chain) -> Vec<GateReport> {
    let evidence = |action: &str| {
        chain.entries.iter().find_map(|entry| match &entry.event {
            Event::Ended { id, result: ActionResult::Gate { outcome } } if id == action => {
                Some((outcome.evidence.clone(), outcome.shadow.clone()))
            }
            _ => None,
        })
    };
    let results = folded.state.iter().flat_map(|state| &state.gates);
    results
        .map(|result| {
            let (evidence, shadow) = evidence(&result.action).unwrap_or_default();
            GateReport {
                name: result.gate.clone(),
                when: describe(result.round),
                verdict: result.verdict,
                runs: result.runs,
                summary: result.summary.clone(),
                evidence,
                shadow,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
