//! Where a bad version would become live and nobody would have looked: what a policy leaves open, one line each. Pure.
//!
//! None of it is wrong by itself: somebody may want a release that only a person takes back. But nobody should have one without
//! knowing it, so `tealgate check` and the plan of each release say the same.

use super::beside::without_held_back;
use super::{PlannedStep, rules};
use model::policy::{Check, Gate, Limits, OnFail, OnInconclusive, Reaction, ReleasePolicy, Soak, When};

/// A limit above it lets a version through that fails most of its users.
const LAX_RATE: f64 = 0.5;
/// A comparison that tolerates more finds only a version that is nearly down.
const LAX_TOLERANCE: f64 = 10.0;
/// Within less time next to no request comes, milliseconds.
const SHORT_MS: u64 = 1_000;

/// What a policy leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwatched {
    /// The field that it is about, below `release`, as a JSON pointer.
    pub pointer: String,
    /// What, and what to do.
    pub words: String,
}

/// What a policy leaves open, of releases with its own steps.
#[must_use]
pub fn unwatched(policy: &ReleasePolicy) -> Vec<Unwatched> {
    let (steps, _) = rules::steps(&policy.steps, policy.step_pause_ms);
    of(policy, &without_held_back(steps, &policy.soak), &policy.soak)
}

/// The same of a release with these steps and this soak.
pub(super) fn of(policy: &ReleasePolicy, steps: &[PlannedStep], soak: &Soak) -> Vec<Unwatched> {
    let eyes = Eyes::of(policy, steps, soak);
    let said = |pointer: &str, words: String| Unwatched { pointer: pointer.to_owned(), words };
    let mut open = Vec::new();
    if let Some(words) = eyes.blind(policy) {
        open.push(said("", words));
    }
    if policy.judge.is_some() && policy.sticky.is_some() && policy.guard.is_none() {
        let words = "the judge compares nothing: users keep their version, and only a guard can tell them apart; it is off";
        open.push(said("/judge", words.to_owned()));
    } else if eyes.compares && policy.judge.as_ref().is_some_and(|judge| judge.on_fail == Reaction::Advise) {
        let words =
            "the judge only advises (judge.on_fail): a version that it finds worse is released all the same";
        open.push(said("/judge/on_fail", words.to_owned()));
    }
    for (place, gate) in policy.gates.iter().enumerate().filter(|(_, gate)| gate.on_fail == OnFail::Advise) {
        let words = format!("gate {} only advises (on_fail): the release goes on when it fails", gate.name);
        open.push(said(&format!("/gates/{place}/on_fail"), words));
    }
    let min = policy.limits.min_requests;
    if eyes.limits && policy.on_inconclusive == OnInconclusive::Proceed {
        let words = format!(
            "with fewer than {min} requests (limits.min_requests) in a step or in the soak, the release goes on although nothing \
             is known (on_inconclusive: proceed)"
        );
        open.push(said("/on_inconclusive", words));
    }
    let last_pause_ms = steps.last().map_or(0, |step| step.pause_ms);
    let watched_ms = soak.duration_ms.saturating_add(last_pause_ms);
    if watched_ms < SHORT_MS {
        let but = if eyes.limits && policy.on_inconclusive != OnInconclusive::Proceed {
            format!(", but for its first {min} requests (limits.min_requests)")
        } else {
            String::new()
        };
        let words = format!(
            "nobody watches the version once it has all of the traffic{but}: soak.duration_ms and the pause of the last step are {watched_ms} ms together"
        );
        open.push(said("/soak/duration_ms", words));
    }
    open
}

/// Who looks at users' requests, and takes a version back for what they see.
#[derive(Clone, Copy, Debug)]
struct Eyes {
    /// Limits that can be exceeded.
    limits: bool,
    /// Failures above a rate that the limits name.
    error_rate: bool,
    /// A guard that compares, and does not tolerate nearly everything.
    guard_compares: bool,
    /// Both versions have a share for a time, so that they can be compared.
    compares: bool,
    /// The judge compares, and more than advises.
    judge: bool,
    /// A gate in the shift or in the soak, and more than an advice.
    gates: bool,
    /// An answer from the wrong version.
    identity: bool,
}

impl Eyes {
    fn of(policy: &ReleasePolicy, steps: &[PlannedStep], soak: &Soak) -> Eyes {
        let error_rate = can_be_exceeded(&policy.limits);
        let guard = policy.guard.is_some();
        let compares = steps.iter().any(|step| step.share < 100 && step.pause_ms >= SHORT_MS)
            || (soak.hold_back > 0 && soak.duration_ms >= SHORT_MS);
        let acting = policy.judge.as_ref().filter(|judge| judge.on_fail != Reaction::Advise);
        let acts = acting.is_some_and(|judge| judge.tolerance <= LAX_TOLERANCE);
        let guard_compares = policy.guard.as_ref().is_some_and(|guard| guard.tolerance <= LAX_TOLERANCE);
        let told_apart = guard || policy.sticky.is_none();
        let looks_at_users = |gate: &Gate| {
            let in_traffic = gate.when.iter().any(|when| *when != When::BeforeShift);
            in_traffic && gate.on_fail != OnFail::Advise
        };
        Eyes {
            limits: policy.limits.max_error_rate.is_some_and(|rate| rate < 1.0)
                || policy.limits.max_p99_ms.is_some(),
            error_rate,
            guard_compares: guard_compares && compares,
            compares,
            judge: acts && compares && told_apart,
            gates: policy.gates.iter().any(looks_at_users),
            identity: policy.identity.as_ref().is_some_and(|one| one.on_mismatch != Reaction::Advise),
        }
    }

    /// What failures of users' requests can be without anybody's acting.
    fn blind(&self, policy: &ReleasePolicy) -> Option<String> {
        if self.error_rate || self.judge || self.guard_compares {
            return None;
        }
        let side_by_side = if self.compares {
            "no judge acts, or what compares the versions tolerates more than ten times as much (tolerance)"
        } else {
            "nothing compares the versions side by side (steps leave no share on the old one for a time, soak.hold_back is 0)"
        };
        let rate = "limits.max_error_rate is off or above 0.5";
        if let Some(guard) = &policy.guard {
            let percent = guard.break_rate * 100.0;
            return Some(format!(
                "a version that fails fewer than {percent} % of its requests (guard.break_rate) is released: {rate}, and {side_by_side}"
            ));
        }
        let others = [
            (policy.limits.max_p99_ms.is_some(), "limits.max_p99_ms"),
            (self.gates, "the gates in the shift and in the soak"),
            (self.identity, "identity"),
            (policy.gates.iter().any(asks_a_person), "a person who is asked"),
        ];
        let others: Vec<&str> = others.iter().filter(|(there, _)| *there).map(|(_, who)| *who).collect();
        let rest = if others.is_empty() {
            "only a person, or a version that is not ready, takes it back".to_owned()
        } else {
            format!("what takes it back is only: {}", others.join(", "))
        };
        Some(format!(
            "NOTHING STOPS A VERSION THAT FAILS ITS USERS: {rate}, there is no guard, and {side_by_side}; {rest}"
        ))
    }
}

/// A rate of 1 is none, for no more than all can fail; one that allows most to fail is next to none.
fn can_be_exceeded(limits: &Limits) -> bool {
    limits.max_error_rate.is_some_and(|rate| rate <= LAX_RATE)
}

fn asks_a_person(gate: &Gate) -> bool {
    matches!(gate.check, Check::Approval {}) && gate.when.iter().any(|when| *when != When::BeforeShift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Pointers and the first words of what is told of a policy.
    fn told(policy: Value) -> Vec<(String, String)> {
        let policy: ReleasePolicy = serde_json::from_value(policy).unwrap();
        let first = |words: &str| words.split([':', '(']).next().unwrap_or_default().trim().to_owned();
        unwatched(&policy).iter().map(|one| (one.pointer.clone(), first(&one.words))).collect()
    }

    fn one(pointer: &str, words: &str) -> Vec<(String, String)> {
        vec![(pointer.to_owned(), words.to_owned())]
    }

    const NOTHING: &str = "NOTHING STOPS A VERSION THAT FAILS ITS USERS";
    const OFF: &str = "a version that fails fewer than 25 % of its requests";

    #[test]
    fn of_the_defaults_and_of_what_is_watched_nothing_is_told() {
        for policy in [
            json!({}),
            json!({"guard": null}),
            json!({"limits": {"max_error_rate": null}, "steps": [10, 100]}),
            json!({"limits": {"max_error_rate": null}, "soak": {"hold_back": 5}}),
            json!({"limits": {"max_error_rate": null}, "guard": null, "judge": {}, "steps": [10, 100]}),
        ] {
            assert_eq!(told(policy.clone()), [], "{policy}");
        }
    }

    #[test]
    fn a_release_that_nobody_would_take_back_is_told_so() {
        let off = json!({"max_error_rate": null});
        for policy in [
            json!({"limits": off, "guard": null, "steps": [10, 100]}),
            json!({"limits": {"max_error_rate": 1}, "guard": null}),
            json!({"limits": {"max_error_rate": 0.99}, "guard": null}),
            json!({"limits": off, "guard": null, "judge": {"tolerance": 1000}, "steps": [10, 100]}),
            json!({"limits": off, "guard": null, "judge": {}}),
            json!({"limits": off, "guard": null, "judge": {}, "steps": [{"share": 10, "pause_ms": 0}, 100]}),
        ] {
            assert_eq!(told(policy.clone()), one("", NOTHING), "{policy}");
        }
        let told_of = told(
            json!({"limits": off, "guard": null, "judge": {}, "sticky": {"by": "cookie"}, "steps": [10, 100]}),
        );
        assert_eq!(told_of, [one("", NOTHING), one("/judge", "the judge compares nothing")].concat());
        assert_eq!(told(json!({"limits": off})), one("", OFF), "a break is what a guard sees at 100 %");
        for steps in [json!([10, 100]), json!([{"share": 10, "pause_ms": 1}, 100])] {
            let guard = json!({"tolerance": if steps[0].is_number() { 1_000.0 } else { 1.2 }});
            assert_eq!(told(json!({"limits": off, "guard": guard, "steps": steps})), one("", OFF));
        }
        let judge = json!({"on_fail": "advise"});
        let told_of = told(json!({"limits": off, "guard": null, "judge": judge, "steps": [10, 100]}));
        assert_eq!(told_of, [one("", NOTHING), one("/judge/on_fail", "the judge only advises")].concat());
    }

    #[test]
    fn whoever_else_may_take_it_back_is_named() {
        let gate = json!({"name": "errors", "when": ["soak"], "check": {"command": {"command": ["x"]}}});
        let policy =
            json!({"limits": {"max_error_rate": null, "max_p99_ms": 9}, "guard": null, "gates": [gate]});
        let policy: ReleasePolicy = serde_json::from_value(policy).unwrap();
        let words = &unwatched(&policy)[0].words;
        let end = "what takes it back is only: limits.max_p99_ms, the gates in the shift and in the soak";
        assert!(words.ends_with(end), "{words}");
    }

    #[test]
    fn an_advice_and_a_look_that_is_not_waited_for_are_told() {
        let gate = json!({"name": "a", "check": {"command": {"command": ["x"]}}, "on_fail": "advise"});
        assert_eq!(told(json!({"gates": [gate]})), one("/gates/0/on_fail", "gate a only advises"));
        assert_eq!(
            told(json!({"on_inconclusive": "proceed"})),
            one("/on_inconclusive", "with fewer than 20 requests")
        );
        let unwatched = "nobody watches the version once it has all of the traffic";
        let first = format!("{unwatched}, but for its first 20 requests");
        assert_eq!(told(json!({"soak": {"duration_ms": 0}})), one("/soak/duration_ms", &first));
        assert_eq!(told(json!({"soak": {"duration_ms": 1}})), one("/soak/duration_ms", &first));
        let paused = |ms: u64| json!({"soak": {"duration_ms": 0}, "steps": [{"share": 100, "pause_ms": ms}]});
        assert_eq!(told(paused(999)), one("/soak/duration_ms", &first));
        assert_eq!(told(paused(1_000)), []);
    }
}
