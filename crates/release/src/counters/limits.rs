//! The absolute limits, held against what was counted. Pure.
//!
//! `max_error_rate` holds for failures, and for each check of the business by itself. A check of which too few answers
//! could be examined is not known, and what is not known is no pass: the release waits, as it does for too few
//! requests. With two exceptions: where the old version's answers show that too few of those that came could be about
//! what the check asks for, nobody waits for more; that is told. And where next to none can be examined of what could be of the old
//! version, there is nothing to wait for: that is a failure.

use super::Gateways;
use super::unanswered::unanswered;
use crate::machine::Traffic;
use judge::limits::{ENOUGH_TO_FAIL_ALL, Observed, Verdict, evaluate_beside};
use model::colour::Colour;
use model::policy::{AnswerCheck, Limits};
use model::record::Lane;
use model::resource::Revision;
use telemetry::counts::{Counts, Examined, Hindered};

/// What was counted of users' requests.
#[derive(Clone, Debug, Default)]
pub struct Sides {
    /// The new version's, since its share was last changed, or in a window.
    pub new: Counts,
    /// The old version's meanwhile.
    pub old: Counts,
    /// The old version's since the release's first change: how much of its answers can be examined.
    pub usual: Counts,
}

/// Whose requests are held against which limits.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The app.
    pub app: &'a str,
    /// The new version's colour.
    pub new: Colour,
    /// The old version's; `None`: it has none, so its requests are not known.
    pub old: Option<Colour>,
    /// The first epoch of the release.
    pub first: Revision,
    /// The epoch in which its share was last changed.
    pub since: Revision,
    /// What must hold.
    pub limits: &'a Limits,
    /// For what, besides failures and times.
    pub checks: &'a [AnswerCheck],
}

impl Gateways {
    /// What both versions have counted of users' requests.
    #[must_use]
    pub fn sides(&self, asked: &Asked<'_>) -> Sides {
        let of = |colour, since| self.of_colour(asked.app, colour, since, Some(Lane::Share));
        let old = |since| asked.old.map(|old| of(old, since)).unwrap_or_default();
        Sides { new: of(asked.new, asked.since), old: old(asked.since), usual: old(asked.first) }
    }

    /// Holds the new version's user traffic since its share was last changed against limits.
    #[must_use]
    pub fn held(&self, asked: &Asked<'_>) -> Held {
        match self.uncounted() {
            Some(reason) => Held { traffic: Traffic::Unknown { reason }, told: Vec::new() },
            None => {
                let sides = self.sides(asked);
                let held = hold_against(&sides, asked.limits, asked.checks);
                match held.traffic {
                    Traffic::Unknown { reason } => {
                        Held { traffic: Traffic::Unknown { reason: reason + &under_way(&sides.new) }, ..held }
                    }
                    _ => held,
                }
            }
        }
    }
}

/// What has not ended is not judged; where that is too little, it may be because nothing ends.
fn under_way(counts: &Counts) -> String {
    match counts.open.saturating_sub(counts.streams) {
        0 => String::new(),
        1 => "; 1 more has not ended yet".to_owned(),
        open => format!("; {open} more have not ended yet"),
    }
}

/// What follows from limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Whether they hold.
    pub traffic: Traffic,
    /// What a person should know, and nobody waits for.
    pub told: Vec<String>,
}

/// Answers of the old version that must have been asked before it can be said how many a check is about.
pub(super) const KNOWN_FROM: u64 = 100;

/// Answers of the new version that must have been to be examined before it is said that they cannot be.
pub(super) const SURE_FROM: u64 = 20;
/// Then fewer than one in so many of them can be.
pub(super) const GONE_ONE_IN: u64 = 10;

/// What follows from one check.
enum Standing {
    /// A limit is broken.
    Bad(Vec<String>),
    /// It holds, or there is none.
    Good,
    /// Too few were examined, or what is beyond the limit may be chance.
    Unknown(String),
    /// Too few were examined, and no more are to be expected.
    Unasked(String),
}

/// Judges counts by absolute limits: failures, and each check of the business by the same rate.
#[must_use]
pub fn hold_against(sides: &Sides, limits: &Limits, checks: &[AnswerCheck]) -> Held {
    let limits = judge::limits::Limits {
        max_error_rate: limits.max_error_rate,
        max_p99_ms: limits.max_p99_ms,
        min_requests: limits.min_requests,
    };
    let (mut evidence, mut unknown, mut told) = (Vec::new(), Vec::new(), Vec::new());
    match evaluate_beside(&observed(&sides.new), &observed(&sides.old), &limits) {
        Verdict::Fail { evidence: broken } => evidence.extend(broken),
        Verdict::Pass { .. } => unknown.extend(unanswered(sides, &limits)),
        Verdict::Inconclusive { reason } => {
            unknown.push(reason);
            unknown.extend(unanswered(sides, &limits));
        }
    }
    for (place, check) in checks.iter().enumerate() {
        match of_check(sides, place, check, &limits) {
            Standing::Bad(broken) => {
                evidence.extend(broken.into_iter().map(|one| format!("check {}: {one}", check.name)));
            }
            Standing::Good => {}
            Standing::Unknown(words) => unknown.push(words),
            Standing::Unasked(words) => told.push(words),
        }
    }
    let traffic = if !evidence.is_empty() {
        Traffic::Bad { evidence }
    } else if !unknown.is_empty() {
        Traffic::Unknown { reason: unknown.join("; ") }
    } else {
        Traffic::Good
    };
    Held { traffic, told }
}

fn of_check(sides: &Sides, place: usize, check: &AnswerCheck, limits: &judge::limits::Limits) -> Standing {
    let limits = judge::limits::Limits { max_p99_ms: None, ..*limits };
    let [new, old] = [&sides.new, &sides.old].map(|counts| said(counts, place));
    let of = |said: Examined| Observed { requests: said.examined(), failed: said.failed, p99_ms: None };
    let needed = limits.min_requests.max(1);
    let came = sides.new.requests().max(new.asked());
    match evaluate_beside(&of(new), &of(old), &limits) {
        Verdict::Fail { evidence } => return Standing::Bad(evidence),
        Verdict::Pass { .. } => return Standing::Good,
        // Too few requests say so themselves.
        Verdict::Inconclusive { .. } if came < needed => return Standing::Good,
        Verdict::Inconclusive { reason } if new.examined() >= needed => {
            return Standing::Unknown(format!("check {}: {reason}", check.name));
        }
        Verdict::Inconclusive { .. } => {}
    }
    let seen = unexamined(check, &sides.new, new);
    if let Some((of_old, when)) = gone(sides, place, check, needed) {
        let (examined, asked) = (of_old.examined(), of_old.asked());
        return Standing::Bad(vec![format!("{seen}, {examined} of {asked} of the old version's {when}")]);
    }
    let words = format!("check {}: {seen}", check.name);
    let Some(expected) = expected(sides, place, check, came) else {
        return Standing::Unknown(format!("{words}; {needed} are needed for a verdict"));
    };
    let usual = said(&sides.usual, place);
    let of_old = format!("{} of {} of the old version's", usual.examined(), usual.asked());
    // None at all where some were to be expected is a sign, even where they are too few for a verdict.
    let is_missing = new.examined() == 0 && expected >= ENOUGH_TO_FAIL_ALL;
    if expected >= needed || is_missing {
        Standing::Unknown(format!("{words}, {of_old}; {needed} are needed for a verdict"))
    } else {
        Standing::Unasked(format!("{words}, {of_old}: too few ask for what it is about to say anything"))
    }
}

/// What the old version shows if next to none of the new one's answers can be examined any more, and when it did. Beside it, that is enough;
/// before it, another kind of request may have been asked for, unless the answers are JSON all the same.
fn gone(sides: &Sides, place: usize, check: &AnswerCheck, needed: u64) -> Option<(Examined, &'static str)> {
    let new = said(&sides.new, place);
    let (good, _) = new.of_good(sides.new.failed());
    let expected = |of_old: Examined| {
        let expected = good.saturating_mul(of_old.examined()) / of_old.asked().max(1);
        let is_gone = new.examined().saturating_mul(GONE_ONE_IN) < expected;
        (of_old.asked() >= KNOWN_FROM && expected >= needed.max(SURE_FROM) && is_gone).then_some(expected)
    };
    let [beside, before] = [&sides.old, &sides.usual].map(|counts| said(counts, place));
    if expected(beside).is_some() {
        return Some((beside, "meanwhile"));
    }
    let unseen = if check.json.is_some() { sides.new.hindered.are_json() } else { 0 };
    let is_there =
        |expected: u64| unseen.saturating_mul(GONE_ONE_IN) >= expected.saturating_mul(GONE_ONE_IN - 1);
    expected(before).filter(|expected| is_there(*expected)).map(|_| (before, "before"))
}

/// How many answers of the new version the check should be about if they are like the old version's; `None`: too little is
/// known of those.
fn expected(sides: &Sides, place: usize, check: &AnswerCheck, came: u64) -> Option<u64> {
    let usual = said(&sides.usual, place);
    let asked = usual.asked();
    // What is compressed, say, is there, and the check is about it.
    let unseen = if check.json.is_some() { sides.usual.hindered.are_json() } else { 0 };
    let about = usual.examined().saturating_add(unseen).min(asked);
    (asked >= KNOWN_FROM).then(|| came.saturating_mul(about) / asked)
}

/// How many of a version's answers a check has looked at, and what kept it from the others, in words.
#[must_use]
pub(crate) fn unexamined(check: &AnswerCheck, counts: &Counts, said: Examined) -> String {
    let why = hindrances(check, counts, said).words();
    let why = if why.is_empty() { why } else { format!(" ({why})") };
    let (examined, came) = (said.examined(), counts.requests().max(said.asked()));
    format!("{examined} of {came} answers could be examined{why}")
}

/// What kept a check from looking at answers. Of a header it is always the same.
#[must_use]
pub(crate) fn hindrances(check: &AnswerCheck, counts: &Counts, said: Examined) -> Hindered {
    let of_headers = Hindered { failed: said.unexamined, ..Hindered::default() };
    if check.json.is_some() { counts.hindered } else { of_headers }
}

/// What one check has said.
#[must_use]
pub(crate) fn said(counts: &Counts, place: usize) -> Examined {
    counts.checks.get(place).copied().unwrap_or_default()
}

fn observed(counts: &Counts) -> Observed {
    let p99_ms = counts.latency.quantile(0.99).map(|us| us as f64 / 1_000.0);
    Observed { requests: counts.requests(), failed: counts.failed(), p99_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(where_: &str) -> AnswerCheck {
        let at = if where_ == "header" { json!("x-ok") } else { json!({"pointer": "/total"}) };
        let check = json!({"name": "total", where_: at, "fails_if": "missing"});
        serde_json::from_value(check).unwrap()
    }

    fn limits() -> Limits {
        Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 }
    }

    /// So many good answers, of which so many could be examined, and why the others could not.
    fn counts(answers: u64, examined: u64, hindered: Hindered) -> Counts {
        let mut counts =
            Counts { received: answers, whole: [0, answers, 0, 0, 0], hindered, ..Counts::default() };
        counts.checks[0] = Examined { passed: examined, failed: 0, unexamined: answers - examined };
        counts
    }

    fn compressed(count: u64) -> Hindered {
        Hindered { compressed: count, ..Hindered::default() }
    }

    fn not_json(count: u64) -> Hindered {
        Hindered { not_json: count, ..Hindered::default() }
    }

    fn held(new: Counts, usual: Counts) -> Held {
        hold_against(&Sides { new, old: Counts::default(), usual }, &limits(), &[check("json")])
    }

    fn why(held: &Held) -> &str {
        let Traffic::Unknown { reason } = &held.traffic else { panic!("it is known: {held:?}") };
        reason
    }

    #[test]
    fn a_check_that_could_examine_nothing_is_not_known() {
        let held = held(counts(1_204, 0, compressed(1_204)), Counts::default());
        assert_eq!(
            why(&held),
            "check total: 0 of 1204 answers could be examined (compressed 1204); 20 are needed for a verdict"
        );
        let mut never_asked = counts(1_204, 0, Hindered::default());
        never_asked.checks = Counts::default().checks;
        assert!(why(&self::held(never_asked, Counts::default())).contains("0 of 1204 answers"));
    }

    #[test]
    fn answers_that_are_none_of_its_kind_any_more_are_not_known_although_the_limit_holds() {
        let old = counts(1_000, 900, not_json(100));
        let held = held(counts(300, 3, not_json(297)), old);
        assert!(
            why(&held).contains("3 of 300 answers could be examined (not JSON 297), 900 of 1000 of the old")
        );
    }

    #[test]
    fn what_can_no_longer_be_examined_although_the_old_version_can_be_is_a_failure() {
        let beside = |new: Counts, old: Counts| {
            hold_against(&Sides { new, old, usual: Counts::default() }, &limits(), &[check("json")]).traffic
        };
        let bad = |evidence: &str| Traffic::Bad { evidence: vec![evidence.to_owned()] };
        assert_eq!(
            beside(counts(300, 3, not_json(297)), counts(1_000, 900, not_json(100))),
            bad(
                "check total: 3 of 300 answers could be examined (not JSON 297), 900 of 1000 of the old version's meanwhile"
            )
        );
        // Of every third one that could be, a tenth is left; then fewer come than is sure.
        for (came, examined, is_bad) in [(300, 9, true), (300, 10, false), (60, 0, true), (59, 0, false)] {
            let found =
                beside(counts(came, examined, not_json(came - examined)), counts(900, 300, not_json(600)));
            assert_eq!(matches!(found, Traffic::Bad { .. }), is_bad, "{examined} of {came}");
        }
        let mut broken = counts(300, 0, Hindered { failed: 285, ..not_json(15) });
        broken.whole = [0, 15, 0, 0, 285];
        let lax = Limits { max_error_rate: Some(0.99), ..limits() };
        let sides = Sides { new: broken, old: counts(1_000, 1_000, not_json(0)), usual: Counts::default() };
        let held = hold_against(&sides, &lax, &[check("json")]);
        assert!(matches!(held.traffic, Traffic::Unknown { .. }), "what has failed is not examined: {held:?}");
    }

    #[test]
    fn without_the_old_version_beside_it_json_that_cannot_be_looked_at_is_a_failure() {
        let usual = || counts(1_000, 900, not_json(100));
        let held = held(counts(300, 0, compressed(280)), usual());
        let evidence = "check total: 0 of 300 answers could be examined (compressed 280), 900 of 1000 of the old version's before";
        assert_eq!(held.traffic, Traffic::Bad { evidence: vec![evidence.to_owned()] });
        assert!(why(&self::held(counts(300, 0, compressed(200)), usual())).contains("compressed 200"));
    }

    #[test]
    fn what_is_compressed_on_both_sides_is_not_known_either() {
        let held = held(counts(300, 0, compressed(300)), counts(3_000, 0, compressed(3_000)));
        assert!(why(&held).contains("(compressed 300), 0 of 3000 of the old version's"), "{held:?}");
    }

    #[test]
    fn what_nobody_asks_for_holds_nobody_up_and_is_told() {
        for (of_old, of_new) in [(0, 0), (30, 3), (15, 0)] {
            let held = held(
                counts(300, of_new, not_json(300 - of_new)),
                counts(3_000, of_old, not_json(3_000 - of_old)),
            );
            assert_eq!(held.traffic, Traffic::Good, "{held:?}");
            assert!(held.told[0].contains("too few ask for what it is about"), "{held:?}");
        }
    }

    #[test]
    fn none_at_all_where_some_were_to_be_expected_is_not_known() {
        let held = held(counts(300, 0, not_json(300)), counts(3_000, 60, not_json(2_940)));
        assert!(why(&held).contains("60 of 3000 of the old version's"));
    }

    #[test]
    fn a_few_answers_of_the_old_version_are_no_sign_that_nobody_asks() {
        let held = held(counts(300, 0, not_json(300)), counts(50, 0, not_json(50)));
        assert!(why(&held).contains("0 of 300 answers"));
    }

    #[test]
    fn enough_examined_answers_are_judged_whatever_else_there_was() {
        let held = held(counts(300, 20, compressed(280)), counts(3_000, 3_000, Hindered::default()));
        assert_eq!(held, Held { traffic: Traffic::Good, told: Vec::new() });
        let mut bad = counts(300, 20, compressed(280));
        (bad.checks[0].passed, bad.checks[0].failed) = (13, 7);
        let held = self::held(bad, Counts::default());
        let evidence = vec!["check total: 7 of 20 requests failed (35 %), limit 5 %".to_owned()];
        assert_eq!(held.traffic, Traffic::Bad { evidence });
    }

    #[test]
    fn too_few_requests_are_said_once_and_without_a_limit_nothing_waits() {
        let held = held(counts(7, 0, compressed(7)), Counts::default());
        assert_eq!(why(&held), "7 requests; 20 are needed for a verdict");
        let sides = Sides { new: counts(300, 0, compressed(300)), ..Sides::default() };
        let none = Limits { max_error_rate: None, ..limits() };
        assert_eq!(hold_against(&sides, &none, &[check("json")]).traffic, Traffic::Good);
    }

    #[test]
    fn a_check_of_a_header_cannot_look_at_what_has_failed() {
        let lax = Limits { max_error_rate: Some(0.99), ..limits() };
        let mut new = counts(100, 10, Hindered::default());
        new.whole = [0, 10, 0, 0, 90];
        let held = hold_against(&Sides { new, ..Sides::default() }, &lax, &[check("header")]);
        assert!(why(&held).contains("10 of 100 answers could be examined (failed or broken off 90)"));
    }

    #[test]
    fn a_version_that_half_of_its_clients_leave_is_not_known_although_none_failed() {
        let hanging = Counts { client_left: 69, received: 130, ..counts(61, 61, Hindered::default()) };
        let old = Counts { checks: Counts::default().checks, ..counts(521, 0, Hindered::default()) };
        let sides = Sides { new: hanging, old, usual: Counts::default() };
        let held = hold_against(&sides, &limits(), &[]);
        assert!(why(&held).starts_with("69 of 130 requests of the new version were left"), "{held:?}");
    }

    #[test]
    fn where_the_old_version_breaks_the_limit_alike_that_is_said() {
        let mut new = counts(100, 100, Hindered::default());
        (new.checks[0].passed, new.checks[0].failed) = (90, 10);
        let by_chance =
            hold_against(&Sides { new: new.clone(), ..Sides::default() }, &limits(), &[check("json")]);
        assert!(
            why(&by_chance).starts_with("check total: 10 of 100 requests failed (10 %), limit 5 %, which")
        );
        (new.checks[0].passed, new.checks[0].failed) = (80, 20);
        let mut old = counts(1_000, 1_000, Hindered::default());
        (old.checks[0].passed, old.checks[0].failed) = (900, 100);
        let sides = Sides { new, old, usual: Counts::default() };
        let held = hold_against(&sides, &limits(), &[check("json")]);
        let evidence =
            "check total: 20 of 100 requests failed (20 %), limit 5 %; old version: 10 % in the same window";
        assert_eq!(held.traffic, Traffic::Bad { evidence: vec![evidence.to_owned()] });
    }
}
