use crate::example::{app, input, journal_of, request, resource};
use crate::journal::{Chain, Command, Event, Folded, fold, read};
use crate::machine::{GateResult, Outcome, Phase, RoundKind, Stage, State, Verdict, Written};
use crate::plan::{Plan, PlannedStep, plan};
use model::colour::LABEL_VERSION;
use model::policy::{NoticeKind, Receiver};
use model::resource::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn receiver(changes: Value) -> Receiver {
    let mut receiver = json!({"name": "ci", "url": "http://ci.example/hook"});
    receiver.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(receiver).unwrap()
}

/// The plan to go from version 1, on blue, to version 2.
pub(crate) fn planned() -> Plan {
    let resources = [
        resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"})),
        resource(Kind::Upstream, "shop-blue", json!({"labels": {LABEL_VERSION: "1"}})),
    ];
    plan(&input(&app(), &resources, &BTreeMap::new())).unwrap()
}

/// A journal in the making.
struct Story {
    events: Vec<Event>,
    state: State,
}

impl Story {
    fn new(receivers: Vec<Receiver>) -> Story {
        let request = crate::journal::Request { receivers, ..request("2") };
        let mut plan = planned();
        plan.steps = vec![PlannedStep { share: 10, pause_ms: 0 }, PlannedStep { share: 100, pause_ms: 0 }];
        let events = vec![Event::Requested(Box::new(request)), Event::Planned { plan: Box::new(plan) }];
        Story { events, state: State::new(1_000) }
    }

    fn decides(&mut self, change: impl FnOnce(&mut State)) {
        change(&mut self.state);
        let state = Box::new(self.state.clone());
        self.events.push(Event::Decided { notes: Vec::new(), intents: Vec::new(), state });
    }

    fn gate_says(&mut self, verdict: Verdict) {
        self.decides(|state| {
            state.gates = vec![GateResult {
                gate: "errors".to_owned(),
                round: RoundKind::SoakInterval,
                runs: 1,
                verdict,
                summary: "as it is".to_owned(),
                action: String::new(),
            }];
        });
    }

    fn folded(&self) -> Folded {
        let chain: Chain = read(&journal_of(&self.events)).unwrap();
        fold("shop-2", &chain).unwrap()
    }

    /// What `receiver` would be told next, one after the other, as the journal is written on with it.
    fn told(&mut self, receiver: &Receiver) -> Vec<(NoticeKind, String)> {
        let mut told = Vec::new();
        while let Some(notice) = self.folded().notices.next(receiver).cloned() {
            told.push((notice.kind, notice.text));
            self.events.push(Event::Notified {
                receiver: receiver.name.clone(),
                mark: notice.mark,
                tries: 1,
                failure: None,
            });
        }
        told
    }
}

fn kinds(told: &[(NoticeKind, String)]) -> Vec<NoticeKind> {
    told.iter().map(|(kind, _)| *kind).collect()
}

#[test]
fn a_release_that_goes_well_tells_its_beginning_each_share_and_its_end() {
    let ci = receiver(json!({}));
    let mut story = Story::new(vec![ci.clone()]);
    for share in [10, 100] {
        story.decides(|state| {
            state.phase = Phase::Shift { step: usize::from(share == 100) };
            state.stage = Stage::Spread { revision: 7 };
            state.written = Some(Written { share, rehearses: None, revision: 7 });
        });
        story.decides(|state| state.stage = Stage::Watch);
        story.decides(|_| {});
    }
    story.decides(|state| (state.phase, state.outcome) = (Phase::Commit, Some(Outcome::Promoted)));
    story.decides(|state| state.phase = Phase::Ended);
    let told = story.told(&ci);
    let expected = [NoticeKind::Started, NoticeKind::Shifted, NoticeKind::Shifted, NoticeKind::Done];
    assert_eq!(kinds(&told), expected);
    assert_eq!(told[1].1, "10 % of user traffic is on version 2");
    assert_eq!(told[3].1, "version 2 is promoted");
    assert!(story.folded().notices.all_told());
}

#[test]
fn a_gate_is_told_when_its_verdict_changes_and_not_each_time() {
    let ci = receiver(json!({"events": ["verdict"]}));
    let mut story = Story::new(vec![ci.clone()]);
    for verdict in [Verdict::Pass, Verdict::Pass, Verdict::Inconclusive, Verdict::Pass, Verdict::Pass] {
        story.gate_says(verdict);
    }
    let words: Vec<String> = story.told(&ci).into_iter().map(|(_, text)| text).collect();
    let said = |word: &str| format!("gate errors (soak): {word}: as it is");
    assert_eq!(words, [said("pass"), said("inconclusive"), said("pass")]);
}

#[test]
fn a_rehearsal_tells_its_beginning_and_its_good_end_and_no_share() {
    let ci = receiver(json!({}));
    let mut story = Story::new(vec![ci.clone()]);
    if let Some(Event::Planned { plan }) = story.events.get_mut(1) {
        plan.rehearsal = Some(crate::plan::PlannedRehearsal { of: String::new() });
    }
    story.decides(|state| {
        (state.phase, state.stage) = (Phase::Shift { step: 0 }, Stage::Spread { revision: 7 });
        state.written = Some(Written { share: 0, rehearses: Some(10), revision: 7 });
    });
    story.decides(|state| state.stage = Stage::Watch);
    story.decides(|state| {
        (state.phase, state.outcome) = (Phase::KeepFailed, Some(Outcome::Rehearsed));
        state.cause = Some(crate::machine::Cause::Rehearsed);
    });
    let told: Vec<String> = story.told(&ci).into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        told,
        [
            "ann rehearses version 2 from version 1 by steps: 10 %, 100 %",
            "version 2 was rehearsed there and back, and no user was moved",
        ]
    );
}

#[test]
fn a_rollback_tells_why_and_that_the_traffic_is_back() {
    let ci = receiver(json!({}));
    let mut story = Story::new(vec![ci.clone()]);
    story.decides(|state| {
        state.phase = Phase::Revert;
        state.cause = Some(crate::machine::Cause::Limits { evidence: vec!["5 of 20 failed".to_owned()] });
    });
    story.decides(|state| (state.phase, state.outcome) = (Phase::KeepFailed, Some(Outcome::RolledBack)));
    let told = story.told(&ci);
    let expected = [NoticeKind::Started, NoticeKind::Verdict, NoticeKind::RolledBack, NoticeKind::Done];
    assert_eq!(kinds(&told), expected);
    assert_eq!(told[2].1, "version 1 serves all users: limits exceeded: 5 of 20 failed");
}

#[test]
fn a_question_is_told_once() {
    let ci = receiver(json!({"events": ["waiting_for_approval"]}));
    let mut story = Story::new(vec![ci.clone()]);
    story.decides(|state| {
        state.phase = Phase::Soak;
        state.hold = Some(crate::machine::Hold { what: "too few requests".to_owned(), ..Default::default() });
    });
    story.decides(|state| state.hold.as_mut().unwrap().ms = 900);
    story.events.push(Event::Commanded(Command::Abort { reason: "x".to_owned() }));
    story.decides(|state| (state.phase, state.hold) = (Phase::Revert, None));
    let told = story.told(&ci);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.starts_with("waits for a verdict: too few requests"));
}

#[test]
fn a_release_that_never_began_tells_its_end_only() {
    let ci = receiver(json!({}));
    let mut story = Story::new(vec![ci.clone()]);
    story.events.truncate(1);
    story.events.push(Event::Refused { refusals: Vec::new() });
    assert_eq!(kinds(&story.told(&ci)), [NoticeKind::Done]);
}

#[test]
fn ids_stay_the_same_and_no_two_are_equal() {
    let ci = receiver(json!({}));
    let mut story = Story::new(vec![ci.clone()]);
    let first = story.folded().notices.next(&ci).unwrap().id("shop-2");
    assert_eq!(first, "shop-2/2/0");
    story.decides(|state| (state.phase, state.outcome) = (Phase::KeepFailed, Some(Outcome::Aborted)));
    assert_eq!(story.folded().notices.next(&ci).unwrap().id("shop-2"), first);
    let mut ids = std::collections::BTreeSet::new();
    while let Some(notice) = story.folded().notices.next(&ci).cloned() {
        assert!(ids.insert(notice.id("shop-2")));
        let told = Event::Notified { receiver: ci.name.clone(), mark: notice.mark, tries: 3, failure: None };
        story.events.push(told);
    }
    assert_eq!(ids.len(), 3);
}

#[test]
fn what_was_given_up_is_shown_and_each_receiver_has_its_own_progress() {
    let (ci, ops) =
        (receiver(json!({})), receiver(json!({"name": "ops", "url": "https://ops.example/s3cret"})));
    let mut story = Story::new(vec![ci.clone(), ops.clone()]);
    story.told(&ci);
    let mark = story.folded().notices.next(&ops).unwrap().mark;
    let failure = Some("refused".to_owned());
    story.events.push(Event::Notified { receiver: "ops".to_owned(), mark, tries: 9, failure });
    let view = story.folded().notices.view(|name| (name == "ops").then(|| "dead".to_owned()));
    assert_eq!((view[0].delivered, view[0].waiting, view[0].given_up, &view[0].trouble), (1, 0, 0, &None));
    assert_eq!((view[1].delivered, view[1].waiting, view[1].given_up), (0, 0, 1));
    assert_eq!((view[1].to.as_str(), view[1].unsent[0].id.as_str()), ("https://ops.example", "shop-2/2/0"));
}

#[test]
fn there_is_a_most_and_the_end_is_told_all_the_same() {
    let ci = receiver(json!({}));
    let mut story = Story::new(vec![ci.clone()]);
    for round in 0..600 {
        story.gate_says(if round % 2 == 0 { Verdict::Pass } else { Verdict::Inconclusive });
    }
    story.decides(|state| (state.phase, state.outcome) = (Phase::KeepFailed, Some(Outcome::RolledBack)));
    let view = story.folded().notices.view(|_| None);
    assert_eq!(view[0].waiting, 258);
}
