//! What an entry of the journal gives reason to tell. Pure.

use crate::journal::{Entry, Event, Folded};
use crate::machine::{Cause, GateResult, Outcome, Stage, State, Verdict, describe, question};
use crate::plan::{OldSide, Plan};
use model::policy::NoticeKind;
use serde::{Deserialize, Serialize};

/// Where a notice stands: the journal's entry, and which of those that the entry gives reason to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// Number of the journal's entry.
    pub entry: u64,
    /// From 0.
    pub place: u32,
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Where it stands.
    pub mark: Mark,
    /// What kind of thing it is.
    pub kind: NoticeKind,
    /// When it happened, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// In words, one line.
    pub text: String,
    /// Whether it is good news; `None`: neither.
    pub good: Option<bool>,
    /// The new version's share of user traffic then, percent.
    pub share: u8,
    /// How the release ended, if it has.
    pub outcome: Option<Outcome>,
}

impl Notice {
    /// Unique for all releases of an installation; the same for every try, so that a receiver can tell repetitions.
    #[must_use]
    pub fn id(&self, release: &str) -> String {
        format!("{release}/{}/{}", self.mark.entry, self.mark.place)
    }
}

/// What an entry gives reason to tell, of a release as it was before the entry.
pub(crate) fn notices(before: &Folded, entry: &Entry) -> Vec<Notice> {
    let mut said = Said { entry, share: before.state.as_ref().map_or(0, State::share), list: Vec::new() };
    match &entry.event {
        Event::Planned { plan } => said.add(NoticeKind::Started, None, started(before, plan)),
        Event::Refused { refusals } if before.outcome().is_none() => {
            let why: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            said.end(Outcome::Refused, format!("refused: {}", why.join("; ")));
        }
        Event::Withdrawn { outcome, why } if before.outcome().is_none() => {
            said.end(*outcome, format!("{}: {why}", outcome.name()));
        }
        Event::Decided { state, .. } => {
            if let (Some(plan), Some(old)) = (&before.plan, &before.state) {
                decided(&mut said, plan, old, state);
            }
        }
        _ => {}
    }
    said.list
}

fn decided(said: &mut Said<'_>, plan: &Plan, before: &State, after: &State) {
    let was_moving = matches!(before.stage, Stage::Spread { .. }) && before.phase.has_traffic();
    let has_moved = was_moving && plan.rehearsal.is_none();
    if has_moved && !matches!(after.stage, Stage::Spread { .. }) && after.cause.is_none() {
        let text = format!("{} % of user traffic is on version {}", before.share(), new_version(plan));
        said.share = before.share();
        said.add(NoticeKind::Shifted, None, text);
    }
    for gate in after.gates.iter().filter(|gate| is_news(before, gate)) {
        let word = match gate.verdict {
            Verdict::Pass => "pass",
            Verdict::Approved => "approved",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
        };
        let good = match gate.verdict {
            Verdict::Pass | Verdict::Approved => Some(true),
            Verdict::Fail => Some(false),
            Verdict::Inconclusive => None,
        };
        let text = format!("gate {} ({}): {word}: {}", gate.gate, describe(gate.round), gate.summary);
        said.add(NoticeKind::Verdict, good, text);
    }
    if let (None, Some(cause)) = (&before.cause, &after.cause)
        && is_judgement(cause)
    {
        said.add(NoticeKind::Verdict, Some(false), format!("going back: {cause}"));
    }
    let asked = |state: &State| question(plan, state).and_then(|what| what.subject());
    if let Some(what) = question(plan, after)
        && asked(before) != asked(after)
    {
        said.add(NoticeKind::WaitingForApproval, None, format!("waits for {what}"));
    }
    if let (None, Some(outcome)) = (before.outcome, after.outcome) {
        ended(said, plan, after, outcome);
    }
}

fn ended(said: &mut Said<'_>, plan: &Plan, after: &State, outcome: Outcome) {
    if outcome == Outcome::Promoted {
        said.share = 100;
        said.end(outcome, format!("version {} is promoted", new_version(plan)));
        return;
    }
    said.share = 0;
    if outcome == Outcome::Rehearsed {
        let text =
            format!("version {} was rehearsed there and back, and no user was moved", new_version(plan));
        said.end(outcome, text);
        return;
    }
    let live = match plan.lead().and_then(|lead| lead.old.as_ref()) {
        Some(OldSide { version, .. }) => format!("version {version} serves all users"),
        None => "everything is as it was before".to_owned(),
    };
    let why = after.cause.as_ref().map_or_else(|| outcome.name().to_owned(), Cause::to_string);
    said.add(NoticeKind::RolledBack, Some(false), format!("{live}: {why}"));
    said.end(outcome, format!("{}: {why}", outcome.name()));
}

/// The notices of an entry in the making.
struct Said<'a> {
    entry: &'a Entry,
    share: u8,
    list: Vec<Notice>,
}

impl Said<'_> {
    fn add(&mut self, kind: NoticeKind, good: Option<bool>, text: String) {
        let place = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let text = text.replace(['\r', '\n'], " ");
        self.list.push(Notice {
            mark: Mark { entry: self.entry.seq, place },
            kind,
            at_ms: self.entry.at_ms,
            text: text.chars().take(MAX_TEXT).collect(),
            good,
            share: self.share,
            outcome: None,
        });
    }

    fn end(&mut self, outcome: Outcome, text: String) {
        let good = matches!(outcome, Outcome::Promoted | Outcome::Rehearsed);
        self.add(NoticeKind::Done, Some(good), text);
        if let Some(last) = self.list.last_mut() {
            last.outcome = Some(outcome);
        }
    }
}

/// Longest text of a notice, characters.
const MAX_TEXT: usize = 1_000;

fn started(before: &Folded, plan: &Plan) -> String {
    let old = plan.lead().and_then(|lead| lead.old.as_ref());
    let from = old.map(|old| format!("from version {} ", old.version)).unwrap_or_default();
    let steps: Vec<String> = plan.shares().map(|share| format!("{share} %")).collect();
    let (to, by) = (&before.request.version, &before.requested_by);
    let does = if plan.rehearsal.is_some() { "rehearses" } else { "releases" };
    format!("{by} {does} version {to} {from}by steps: {}", steps.join(", "))
}

fn new_version(plan: &Plan) -> &str {
    plan.lead().map_or("", |lead| lead.new.version.as_str())
}

/// In a long soak a gate runs often; only a verdict that differs from the one before is told.
fn is_news(before: &State, gate: &GateResult) -> bool {
    let known = before.gates.iter().find(|known| known.gate == gate.gate && known.round == gate.round);
    known.is_none_or(|known| known.verdict != gate.verdict)
}

/// Whether a cause is a verdict on the new version that no gate has spoken.
fn is_judgement(cause: &Cause) -> bool {
    match cause {
        Cause::Aborted { .. } | Cause::Superseded { .. } | Cause::Gate { .. } => false,
        Cause::Provision { .. } | Cause::NotReady { .. } | Cause::CrashLoop { .. } => false,
        Cause::Exited { .. } => false,
        Cause::NotApplied { .. } | Cause::Switch { .. } | Cause::Hold { .. } => false,
        Cause::Unguarded { .. } | Cause::Rehearsed => false,
        Cause::Limits { .. }
        | Cause::Guard { .. }
        | Cause::Worse { .. }
        | Cause::Identity { .. }
        | Cause::Inconclusive { .. } => true,
    }
}
