//! A release as the server tells it → the picture of it.

use crate::tree::evidence;
use crate::tree::numbers::grouped;
use crate::tree::picture::{ColourRow, PhaseRow, Picture, Standing, Steps};
use release::journal::Move;
use release::machine::{Outcome, Verdict};
use release::notify::ReceiverView;
use release::report::{HoldSummary, duration, users_on};
use release::view::{
    ColourView, GateView, Mood, Progress, ReleaseView, SILENT_MS, WaitingView, ends_nothing,
};
use std::ops::RangeInclusive;

/// The phases of a release that succeeds, and on which occasions their gates run.
const PHASES: [(&str, &[&str]); 5] = [
    ("provision", &[]),
    ("test", &["before the shift"]),
    ("shift", &["step"]),
    ("soak", &["soak", "end of soak"]),
    ("decommission", &[]),
];
/// No answer for so long is worth a note, milliseconds.
const NOTICEABLE_MS: u64 = 1_000;
/// The phases of one that goes back, and what they are called here.
const WAY_BACK: [(&str, &str); 2] = [("revert", "roll back"), ("keep-failed", "keep failed")];

impl Picture {
    /// The picture of a release at `now_ms`, milliseconds since the Unix epoch.
    #[must_use]
    pub fn of(view: &ReleaseView, now_ms: i64) -> Picture {
        let end = view.ended_at_ms.or(view.decided_at_ms.filter(|_| !view.in_flight)).unwrap_or(now_ms);
        let (headline, mood) = view.headline();
        let old = view.colours.iter().find(|colour| !colour.is_new);
        Picture {
            app: view.app.clone(),
            release: view.release.clone(),
            from: old.map(|old| old.version.clone()),
            to: view.version.clone(),
            headline,
            mood,
            elapsed_ms: since(view.started_at_ms, end),
            colours: view.colours.iter().map(|colour| colour_row(colour, view)).collect(),
            phases: phases(view, now_ms),
            waiting: waiting(view),
            ways: ways(view),
            remarks: remarks(view),
        }
    }
}

fn colour_row(colour: &ColourView, view: &ReleaseView) -> ColourRow {
    let mut notes = Vec::new();
    if !view.gaps.is_empty() {
        notes.push("at least".to_owned());
    }
    if colour.is_new == view.committed {
        notes.push("live".to_owned());
    }
    if view.share_of_users && colour.is_new && (1..100).contains(&colour.share) {
        notes.push("share of users".to_owned());
    }
    if colour.share == 0 && colour.open > 0 {
        let streams = if colour.streams > 0 {
            format!(", {} of them streams", grouped(colour.streams))
        } else {
            String::new()
        };
        notes.push(format!("{} open{streams}", grouped(colour.open)));
    }
    if colour.waiting > 0 && colour.unanswered_ms.is_some_and(|ms| ms >= NOTICEABLE_MS) {
        notes.push(format!("{} wait", grouped(colour.waiting)));
    }
    if colour.unended > 0 && colour.unended_ms.is_some_and(|ms| ms >= NOTICEABLE_MS) {
        notes.push(format!("{} not ended", grouped(colour.unended)));
    }
    if colour.previewed > 0 {
        notes.push(format!("{} by preview", grouped(colour.previewed)));
    }
    ColourRow {
        colour: colour.colour,
        version: colour.version.clone(),
        share: colour.share,
        requests: colour.requests,
        errors: colour.errors,
        p50_ms: colour.p50_ms,
        p99_ms: colour.p99_ms,
        note: notes.join(", "),
    }
}

fn phases(view: &ReleaseView, now_ms: i64) -> Vec<PhaseRow> {
    let mut rows: Vec<PhaseRow> =
        PHASES.iter().map(|(name, occasions)| phase(name, occasions, view, now_ms)).collect();
    for (phase, name) in WAY_BACK {
        let Some((standing, took_ms)) = stands(phase, view, now_ms) else { continue };
        let restored = view.moves.iter().rev().find(|step| step.kind == "restore" && phase == "revert");
        let detail =
            restored.and_then(|step| step.took_ms).map(|took| format!("traffic was back in {took} ms"));
        let name = if phase == "keep-failed" && view.turns_well() { "clean up" } else { name };
        rows.push(PhaseRow {
            duration_ms: Some(took_ms),
            detail: detail.unwrap_or_default(),
            ..PhaseRow::new(name, standing)
        });
    }
    rows
}

fn phase(name: &str, occasions: &[&str], view: &ReleaseView, now_ms: i64) -> PhaseRow {
    let on_occasion = |gate: &&GateView| {
        let stem = gate.when.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end();
        occasions.contains(&stem)
    };
    let gates = view.gates.iter().filter(on_occasion).map(gate_row);
    let children: Vec<PhaseRow> = gates.chain(evidence::rows(name, view)).collect();
    let over = view.outcome.is_some() || view.goes_back();
    let (standing, duration_ms) = match stands(name, view, now_ms) {
        Some((standing, took_ms)) => (standing, Some(took_ms)),
        None if over => (Standing::Skipped, None),
        None => (Standing::Ahead, None),
    };
    let mut row = PhaseRow { duration_ms, children, ..PhaseRow::new(name, standing) };
    if standing == Standing::Running {
        row.detail = view.progress.clone().unwrap_or_default();
    }
    if name == "shift" && view.steps.len() > 1 {
        let begun = view.steps.iter().filter(|step| step.state != Progress::Pending).count();
        let begun = if begun == 0 { moved(view) } else { begun };
        row.steps = Some(Steps { shares: view.steps.iter().map(|step| step.share).collect(), begun });
    }
    if name == "shift" && row.detail.is_empty() {
        let holding =
            view.hold.map(|hold| format!("{} requests wait for {} to end", hold.waiting, hold.open));
        row.detail = holding.unwrap_or_else(|| switched(view, 1..=most_in_shift(view)));
    }
    if name == "soak" && row.detail.is_empty() {
        row.detail = switched(view, most_in_shift(view) + 1..=100);
    }
    // Why stands below, among the remarks.
    if let Some(guard) = view.guards.last().filter(|_| is_last_with_users(name, view)) {
        row.detail = guard.brief();
    }
    row
}

/// The largest share of the shift: what the soak holds back follows in the soak.
fn most_in_shift(view: &ReleaseView) -> u8 {
    100u8.saturating_sub(view.hold_back)
}

/// The last switch to one of these shares, how long it took, and who waited for it, in all of its tries.
fn switched(view: &ReleaseView, shares: RangeInclusive<u8>) -> String {
    let moves = || view.moves.iter().rev().filter(|step| step.kind == "share");
    let Some(step) = moves().find(|step| shares.contains(&furthest(step))) else { return String::new() };
    let switched = step.took_ms.map(|took| match step.rehearses {
        Some(share) => format!("rehearsed {share} % in {took} ms, no user moved"),
        None => format!("switched to {} % in {took} ms", step.share),
    });
    let tries: Vec<u32> =
        moves().filter(|other| other.share == step.share).filter_map(Move::number).collect();
    let is_try = |hold: &&HoldSummary| hold.number().is_some_and(|number| tries.contains(&number));
    let held = HoldSummary::words_of_tries(&view.holds.iter().filter(is_try).collect::<Vec<_>>());
    switched.into_iter().chain(held).collect::<Vec<_>>().join(", ")
}

/// Whether a phase is the last of those that have begun in which users can be on the new version: where a guard fires.
fn is_last_with_users(phase: &str, view: &ReleaseView) -> bool {
    let mut begun = view.phases.iter().rev().map(|span| span.phase.as_str());
    begun.find(|begun| ["shift", "soak"].contains(begun)) == Some(phase)
}

/// How many steps were begun by a release that then went back: the view's steps are all ahead again.
fn moved(view: &ReleaseView) -> usize {
    let furthest = view.moves.iter().filter(|step| step.kind == "share").map(furthest).max().unwrap_or(0);
    view.steps.iter().filter(|step| step.share <= furthest).count()
}

/// The share that a move gave, or rehearsed.
fn furthest(step: &Move) -> u8 {
    step.rehearses.unwrap_or(step.share)
}

/// How a phase stands and how long it has taken; `None` when it has not begun.
fn stands(phase: &str, view: &ReleaseView, now_ms: i64) -> Option<(Standing, u64)> {
    let place = view.phases.iter().rposition(|span| span.phase == phase)?;
    let span = view.phases.get(place)?;
    let took_ms = since(span.began_at_ms, span.ended_at_ms.or(view.ended_at_ms).unwrap_or(now_ms));
    // A release that has written nothing has nothing to revert.
    let turned_back = !view.turns_well()
        && view
            .phases
            .get(place + 1)
            .is_some_and(|next| next.phase == "revert" || (next.phase == "keep-failed" && phase != "revert"));
    let asked = view.waiting_for.iter().any(|waiting| waiting.asks_person);
    let standing = match span.ended_at_ms.or(view.ended_at_ms) {
        Some(_) if turned_back && view.by_request() => Standing::Stopped,
        Some(_) if turned_back => Standing::Failed,
        Some(_) => Standing::Done,
        None if asked && !view.goes_back() => Standing::Held,
        None => Standing::Running,
    };
    Some((standing, took_ms))
}

fn gate_row(gate: &GateView) -> PhaseRow {
    let standing = match gate.verdict {
        Verdict::Pass | Verdict::Approved => Standing::Done,
        Verdict::Fail => Standing::Failed,
        Verdict::Inconclusive => Standing::Held,
    };
    let name = match gate.when.as_str() {
        "before the shift" | "soak" => gate.name.clone(),
        when => format!("{} ({when})", gate.name),
    };
    let runs = if gate.runs > 1 { format!(" ({} runs)", gate.runs) } else { String::new() };
    PhaseRow { detail: format!("{}{runs}", gate.summary), ..PhaseRow::new(&name, standing) }
}

/// What it waits for, as long as someone could be waiting with it.
fn waiting(view: &ReleaseView) -> Vec<String> {
    if view.outcome.is_some() && !view.in_flight {
        return Vec::new();
    }
    view.waiting_for.iter().map(WaitingView::words).collect()
}

/// What a person can do, where one is asked, or where the release stands behind another one.
fn ways(view: &ReleaseView) -> Vec<String> {
    let is_for_people = |waiting: &WaitingView| waiting.asks_person || !waiting.behind.is_empty();
    if !view.waiting_for.iter().any(is_for_people) {
        return Vec::new();
    }
    view.ways.iter().map(|way| format!("{}: {}", way.command, way.does)).collect()
}

fn remarks(view: &ReleaseView) -> Vec<(Mood, String)> {
    let mut remarks = Vec::new();
    if let Some(why) = &view.why {
        remarks.push((if view.by_request() { Mood::Attention } else { Mood::Bad }, why.clone()));
    }
    let new = view.colours.iter().find(|colour| colour.is_new && colour.errors > 0);
    if let Some(new) = new.filter(|_| view.outcome == Some(Outcome::Promoted)) {
        let users = users_on(
            new.colour,
            new.requests,
            new.errors,
            view.max_error_rate,
            !view.gaps.is_empty(),
            grouped,
        );
        remarks.push((Mood::Attention, format!("promoted: {users}")));
    }
    remarks.extend(view.colours.iter().filter_map(silent).map(|text| (Mood::Attention, text)));
    remarks.extend(endless(view).map(|text| (Mood::Attention, text)));
    for difference in &view.parity {
        let text = format!(
            "the environments differ in {}: {} / {}",
            difference.what, difference.old, difference.new
        );
        remarks.push((Mood::Neutral, text));
    }
    let rehearsal = view.rehearsal.iter().filter(|_| view.outcome.is_some());
    remarks.extend(rehearsal.map(|rehearsal| (Mood::Neutral, rehearsal.words())));
    remarks.extend(view.notes.iter().map(|note| (Mood::Neutral, note.clone())));
    let gap = |gateway: &String| format!("the gateway {gateway} went; what it counted last is not known");
    remarks.extend(view.gaps.iter().map(|gateway| (Mood::Attention, gap(gateway))));
    remarks.extend(view.notifications.iter().filter_map(untold).map(|text| (Mood::Attention, text)));
    remarks
}

/// A version that takes requests and answers none.
fn silent(colour: &ColourView) -> Option<String> {
    let ms = colour.unanswered_ms.filter(|ms| *ms >= SILENT_MS)?;
    let (name, version, waiting) = (colour.colour, &colour.version, grouped(colour.waiting));
    let wait = if colour.waiting == 1 { "request waits" } else { "requests wait" };
    Some(format!(
        "{name} {version} takes requests and answers none: {waiting} {wait}, no answer has begun for {}",
        duration(ms)
    ))
}

/// A version that begins answers and ends none, where the other one does not.
fn endless(view: &ReleaseView) -> impl Iterator<Item = String> {
    let side = |is_new: bool| view.colours.iter().find(|colour| colour.is_new == is_new);
    let sides = [side(false), side(true)];
    let answers = |side: Option<&ColourView>| side.map_or((0, None), |one| (one.unended, one.unended_ms));
    let endless = sides.into_iter().zip(ends_nothing(sides.map(answers)));
    endless.filter_map(|(side, is_endless)| side.filter(|_| is_endless)).map(|colour| {
        let (name, version, unended) = (colour.colour, &colour.version, grouped(colour.unended));
        let are = if colour.unended == 1 { "is" } else { "are" };
        let ms = duration(colour.unended_ms.unwrap_or_default());
        format!(
            "{name} {version} begins answers and ends none: {unended} {are} open, none has ended for {ms}"
        )
    })
}

/// A receiver of notifications that does not take them.
fn untold(receiver: &ReceiverView) -> Option<String> {
    let (name, to) = (&receiver.name, &receiver.to);
    let given_up = receiver.unsent.last().map(|unsent| unsent.why.as_str());
    let why = receiver.trouble.as_deref().or(given_up)?;
    Some(format!("{name} at {to} is not told: {why}"))
}

fn since(began_at_ms: i64, ended_at_ms: i64) -> u64 {
    u64::try_from(ended_at_ms.saturating_sub(began_at_ms)).unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(in crate::tree) fn view(change: impl FnOnce(&mut Value)) -> ReleaseView {
        let span = |phase: &str, from: i64, to: Option<i64>| json!({"phase": phase, "began_at_ms": from, "ended_at_ms": to});
        let colour = |colour: &str, version: &str, is_new: bool, share: u8| {
            json!({"colour": colour, "version": version, "is_new": is_new, "share": share, "requests": 100, "errors": 0,
                "p50_ms": 1.0, "p99_ms": 2.0, "open": 0, "previewed": 0})
        };
        let mut value = json!({
            "release": "shop-2", "app": "shop", "version": "v2", "started_by": "admin", "started_at_ms": 1000,
            "phase": "shift", "share": 10, "in_flight": true, "committed": false, "outcome": null, "why": null,
            "decided_at_ms": null, "ended_at_ms": null,
            "phases": [span("provision", 1000, Some(3000)), span("test", 3000, Some(4000)), span("shift", 4000, None)],
            "steps": [{"share": 10, "pause_ms": 5000, "state": "active"}, {"share": 100, "pause_ms": 0, "state": "pending"}],
            "colours": [colour("blue", "v1", false, 90), colour("green", "v2", true, 10)],
            "gates": [{"name": "smoke", "when": "before the shift", "verdict": "pass", "runs": 1, "summary": "3 requests"}],
            "waiting_for": [{"what": "step 10 %", "asks_person": false, "remaining_ms": 3000}],
            "moves": [], "notes": [], "parity": [], "gaps": []
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn standings(picture: &Picture) -> Vec<(&str, Standing)> {
        picture.phases.iter().map(|phase| (phase.name.as_str(), phase.standing)).collect()
    }

    #[test]
    fn a_release_in_its_shift() {
        let picture = Picture::of(&view(|_| {}), 6_000);
        assert_eq!(
            standings(&picture),
            [
                ("provision", Standing::Done),
                ("test", Standing::Done),
                ("shift", Standing::Running),
                ("soak", Standing::Ahead),
                ("decommission", Standing::Ahead),
            ]
        );
        assert_eq!((picture.elapsed_ms, picture.phases[2].duration_ms), (5_000, Some(2_000)));
        assert_eq!(picture.phases[1].children[0].name, "smoke");
        assert_eq!(picture.phases[2].steps, Some(Steps { shares: vec![10, 100], begun: 1 }));
        assert_eq!(picture.waiting, ["step 10 %, at most 3.0 s"]);
        let notes: Vec<_> = picture.colours.iter().map(|colour| colour.note.as_str()).collect();
        assert_eq!(notes, ["live", ""]);
        let sticky = Picture::of(&view(|value| value["share_of_users"] = json!(true)), 6_000);
        assert_eq!(sticky.colours[1].note, "share of users");
    }

    #[test]
    fn a_release_that_went_back_shows_where_it_failed_and_how_fast_it_was_back() {
        let gone_back = view(|value| {
            value["outcome"] = json!("rolled_back");
            value["why"] = json!("limits exceeded: 9 of 40 requests failed");
            value["phases"][2]["ended_at_ms"] = json!(5_000);
            let revert = json!({"phase": "revert", "began_at_ms": 5_000, "ended_at_ms": 5_020});
            value["phases"].as_array_mut().unwrap().push(revert);
            for step in value["steps"].as_array_mut().unwrap() {
                step["state"] = json!("pending");
            }
            let step = |kind: &str, share: u8, took_ms: u64| json!({"action": "x", "kind": kind, "share": share, "intended_at_ms": 0, "revision": 1, "took_ms": took_ms});
            value["moves"] = json!([step("share", 10, 4), step("restore", 0, 3)]);
        });
        let picture = Picture::of(&gone_back, 6_000);
        assert_eq!((picture.headline.as_str(), picture.mood), ("rolled back", Mood::Bad));
        assert_eq!(picture.phases[2].standing, Standing::Failed);
        assert_eq!(picture.phases[2].steps.as_ref().map(|steps| steps.begun), Some(1));
        assert_eq!(picture.phases[3].standing, Standing::Skipped);
        assert_eq!(picture.phases[5].detail, "traffic was back in 3 ms");
        assert_eq!(picture.remarks[0].1, "limits exceeded: 9 of 40 requests failed");
    }

    #[test]
    fn a_rehearsal_that_went_well_has_failed_nowhere_and_one_that_did_not_says_so() {
        let went = |outcome: &str, why: Value| {
            view(|value| {
                (value["outcome"], value["why"]) = (json!(outcome), why);
                value["rehearsal"] = json!({"there_ms": 1_000, "steps_ms": [4, 5], "back_ms": 3, "users": 100, "users_on_new": 0});
                value["share"] = json!(0);
                value["steps"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|step| step["state"] = json!("pending"));
                value["phases"][2]["ended_at_ms"] = json!(5_000);
                for (phase, from) in [("soak", 5_000), ("revert", 5_001), ("keep-failed", 5_004)] {
                    let span = json!({"phase": phase, "began_at_ms": from, "ended_at_ms": from + 1});
                    value["phases"].as_array_mut().unwrap().push(span);
                }
                let step = |kind: &str, rehearses: Value| {
                    json!({"action": "x", "kind": kind, "share": 0,
                    "rehearses": rehearses, "intended_at_ms": 0, "revision": 1, "took_ms": 4})
                };
                value["moves"] = json!([
                    step("share", json!(10)),
                    step("share", json!(100)),
                    step("restore", Value::Null)
                ]);
            })
        };
        let picture = Picture::of(&went("rehearsed", Value::Null), 6_000);
        assert_eq!((picture.headline.as_str(), picture.mood), ("rehearsed", Mood::Good));
        let standings: Vec<_> = standings(&picture);
        assert!(standings.iter().all(|(_, standing)| *standing != Standing::Failed), "{standings:?}");
        assert_eq!(picture.phases[2].steps.as_ref().map(|steps| steps.begun), Some(2));
        assert_eq!(picture.phases[2].detail, "rehearsed 100 % in 4 ms, no user moved");
        assert_eq!(
            (picture.phases[6].name.as_str(), picture.phases[6].standing),
            ("clean up", Standing::Done)
        );
        assert!(picture.remarks[0].1.contains("the way back 3 ms"), "{:?}", picture.remarks);
        let failed = Picture::of(&went("rolled_back", json!("gate tests failed: no")), 6_000);
        assert_eq!((failed.headline.as_str(), failed.mood), ("rehearsal failed", Mood::Bad));
        assert_eq!(failed.phases[3].standing, Standing::Failed);
        assert_eq!(failed.remarks[0].1, "gate tests failed: no");
    }

    #[test]
    fn who_waits_for_a_version_that_answers_nothing_is_told() {
        let silent = |waiting: u64, ms: Value| {
            let view = view(|value| {
                value["colours"][1]["requests"] = json!(0);
                (value["colours"][1]["waiting"], value["colours"][1]["unanswered_ms"]) = (json!(waiting), ms);
            });
            let picture = Picture::of(&view, 6_000);
            (picture.colours[1].note.clone(), picture.remarks.into_iter().map(|(_, text)| text).next())
        };
        assert_eq!(silent(0, Value::Null), (String::new(), None));
        assert_eq!(silent(6, json!(200)), (String::new(), None), "under way");
        assert_eq!(silent(6, json!(1_500)), ("6 wait".to_owned(), None));
        let text =
            "green v2 takes requests and answers none: 6 requests wait, no answer has begun for 25.0 s";
        assert_eq!(silent(6, json!(25_010)), ("6 wait".to_owned(), Some(text.to_owned())));
    }

    #[test]
    fn a_version_that_begins_answers_and_ends_none_is_told_unless_the_other_one_does_so_too() {
        let endless = |old: Value, new: Value| {
            let view = view(|value| {
                for (colour, ms) in [old, new].into_iter().enumerate() {
                    let unended = if ms.is_null() { 0 } else { 9 };
                    let colour = &mut value["colours"][colour];
                    (colour["unended"], colour["unended_ms"]) = (json!(unended), ms);
                }
            });
            let picture = Picture::of(&view, 6_000);
            (picture.colours[1].note.clone(), picture.remarks.into_iter().map(|(_, text)| text).next())
        };
        assert_eq!(endless(Value::Null, json!(200)), (String::new(), None), "under way");
        let note = "9 not ended".to_owned();
        assert_eq!(endless(Value::Null, json!(1_500)), (note.clone(), None));
        assert_eq!(endless(json!(30_000), json!(25_000)), (note.clone(), None), "streams");
        let text = "green v2 begins answers and ends none: 9 are open, none has ended for 25.0 s";
        assert_eq!(endless(json!(200), json!(25_010)), (note, Some(text.to_owned())));
    }

    #[test]
    fn what_the_guard_did_stands_where_it_was_done() {
        let mut tripped = view(|value| {
            let trip =
                json!({"bound": "hang", "evidence": ["8 requests have no answer"], "swapped_in_us": 1_240});
            value["guards"] = json!([{"id": "g", "gateway": "gw-1", "trip": trip}]);
        });
        let details = |view: &ReleaseView| {
            let picture = Picture::of(view, 6_000);
            [2, 3].map(|phase: usize| picture.phases[phase].detail.clone())
        };
        let said = "the guard has fired (hang); all threads had swapped 1.2 ms later";
        assert_eq!(details(&tripped), [said, ""]);
        for phase in ["soak", "revert"] {
            tripped.phases.push(release::journal::Span {
                phase: phase.to_owned(),
                began_at_ms: 5_000,
                ended_at_ms: None,
            });
        }
        assert_eq!(details(&tripped), ["", said]);
    }

    #[test]
    fn the_switch_of_what_was_held_back_stands_where_it_was() {
        let view = view(|value| {
            let step = |share: u8, took_ms: u64| json!({"action": "x", "kind": "share", "share": share, "intended_at_ms": 0, "revision": 1, "took_ms": took_ms});
            value["hold_back"] = json!(10);
            value["moves"] = json!([step(50, 3), step(90, 4), step(100, 5)]);
            value["phases"][2]["ended_at_ms"] = json!(5_000);
        });
        let details = Picture::of(&view, 6_000).phases.into_iter().map(|phase| phase.detail);
        let details: Vec<String> = details.skip(2).take(2).collect();
        assert_eq!(details, ["switched to 90 % in 4 ms", "switched to 100 % in 5 ms"]);
    }

    #[test]
    fn a_switch_is_told_with_those_who_waited_in_all_of_its_tries_and_in_no_other() {
        let shift = |moves: Value, holds: Value| {
            let view = view(|value| (value["moves"], value["holds"]) = (moves, holds));
            Picture::of(&view, 6_000).phases[2].detail.clone()
        };
        let step = |number: u32, share: u8, took_ms: Option<u64>| {
            json!({"action": format!("shop-2/shift/{number}"), "kind": "share", "share": share, "intended_at_ms": 0,
                "revision": took_ms.map(|_| 1), "took_ms": took_ms})
        };
        let hold = |number: u32, ended: &str, waited: u64, ms: f64| {
            json!({"id": format!("shop-2#{number}"), "gateways": ["g"], "in_time": ended == "moved", "ended": ended,
                "waited": waited, "left": 0, "passed": 0, "p50_ms": ms, "p99_ms": ms, "longest_ms": ms})
        };
        let (first, gone) = (hold(3, "moved", 9, 900.0), hold(4, "budget", 5, 201.4));
        let begun = json!([step(3, 10, Some(7)), step(4, 100, None)]);
        assert_eq!(shift(begun, json!([first])), "", "its own account is still to come");
        let tries = json!([step(3, 10, Some(7)), step(4, 100, None), step(5, 100, Some(18))]);
        assert_eq!(
            shift(tries, json!([first, gone, hold(5, "moved", 0, 0.0)])),
            "switched to 100 % in 18 ms, 5 requests waited in 2 tries, at most 201.4 ms; once the budget was over, and they \
             went on to the old version"
        );
        let only = json!([step(3, 10, Some(7))]);
        let words = "switched to 10 % in 7 ms, 9 requests waited, p99 900.0 ms, at most 900.0 ms";
        assert_eq!(shift(only, json!([first])), words);
        let failed = json!([step(3, 10, Some(7)), step(4, 100, None)]);
        let words = "5 requests waited, p99 201.4 ms, at most 201.4 ms; the budget was over, and they went on to the old version";
        assert_eq!(shift(failed, json!([first, gone])), words);
    }

    #[test]
    fn a_time_that_is_over_is_not_told() {
        let waits = |remaining_ms: Value| {
            let view = view(|value| value["waiting_for"][0]["remaining_ms"] = remaining_ms);
            Picture::of(&view, 6_000).waiting.remove(0)
        };
        assert_eq!(waits(json!(100)), "step 10 %, at most 0.1 s");
        for over in [json!(99), json!(0), Value::Null] {
            assert_eq!(waits(over), "step 10 %");
        }
    }

    #[test]
    fn a_phase_that_someone_stopped_has_not_failed() {
        let aborted = view(|value| {
            value["why"] = json!("aborted by ann: wrong version");
            value["phases"][2]["ended_at_ms"] = json!(5_000);
            let revert = json!({"phase": "revert", "began_at_ms": 5_000, "ended_at_ms": null});
            value["phases"].as_array_mut().unwrap().push(revert);
        });
        let picture = Picture::of(&aborted, 6_000);
        assert_eq!((picture.headline.as_str(), picture.mood), ("rolling back", Mood::Attention));
        assert_eq!(picture.phases[2].standing, Standing::Stopped);
        assert_eq!(picture.phases[5].standing, Standing::Running);
    }

    #[test]
    fn a_release_that_never_wrote_shows_where_it_failed_too() {
        let failed = view(|value| {
            value["outcome"] = json!("rolled_back");
            value["phases"] = json!([
                {"phase": "provision", "began_at_ms": 1_000, "ended_at_ms": 2_000},
                {"phase": "keep-failed", "began_at_ms": 2_000, "ended_at_ms": null},
            ]);
        });
        let picture = Picture::of(&failed, 6_000);
        assert_eq!(picture.phases[0].standing, Standing::Failed);
    }

    #[test]
    fn a_release_that_waits_for_a_person_says_so() {
        let held = view(|value| {
            value["waiting_for"] =
                json!([{"what": "approval of gate go", "asks_person": true, "remaining_ms": null}]);
        });
        let picture = Picture::of(&held, 6_000);
        assert_eq!((picture.headline.as_str(), picture.mood), ("shift, needs a person", Mood::Attention));
        assert_eq!(picture.phases[2].standing, Standing::Held);
    }
}
