//! The releases that crash: there, back, and all that people and gateways do meanwhile.

use crate::fakes::{Site, Wish};
use model::resource::Origin;
use release::machine::Outcome;
use release::view::ReleaseView;
use serde_json::{Value, json};

/// What happens to a release besides itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// Someone wants something of it.
    Wish(Wish),
    /// Someone starts version 3.
    Release,
    /// Someone takes that back.
    AbortNext,
    /// Version 3 turns out to be impossible.
    NextIsFaulty,
    /// Someone writes another split.
    Edit,
    /// A second gateway, which has been there, dies.
    LoseGateway,
    /// A write of the journal was cut off in the middle.
    Tear,
}

/// It happens when the release of version 2 looks so.
pub(crate) type Act = (fn(&ReleaseView) -> bool, What);

/// A release of version 2 over version 1.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    upstream: bool,
    policy: Value,
    pub(crate) prepare: fn(&Site),
    pub(crate) acts: Vec<Act>,
    /// How version 2 may end; the first is how it ends if nobody crashes.
    pub(crate) outcomes: Vec<Outcome>,
    /// Which version is live at the end.
    pub(crate) live: &'static str,
    /// What else runs then.
    pub(crate) kept: Option<&'static str>,
    /// Nobody may ever have reached version 2.
    pub(crate) unseen: bool,
    /// It is only rehearsed.
    pub(crate) rehearsal: bool,
}

impl Scenario {
    fn new(name: &'static str, outcome: Outcome, changes: Value) -> Scenario {
        let mut policy = json!({
            "steps": [20, 100],
            "step_pause_ms": 60,
            "soak": {"duration_ms": 100, "interval_ms": 40},
            "limits": {"max_error_rate": 0.05, "min_requests": 5},
            "gates": [{"name": "tests", "check": {"command": {"command": ["t"]}}}],
            "drain_timeout_ms": 100,
            "keep_failed_ms": 100,
        });
        for (key, value) in changes.as_object().unwrap() {
            policy[key] = value.clone();
        }
        let promoted = outcome == Outcome::Promoted;
        Scenario {
            name,
            upstream: false,
            policy,
            prepare: |_| {},
            acts: Vec::new(),
            outcomes: vec![outcome],
            live: if promoted { "2" } else { "1" },
            kept: None,
            unseen: false,
            rehearsal: false,
        }
    }

    fn upstream(self) -> Scenario {
        Scenario { upstream: true, ..self }
    }

    fn prepare(self, prepare: fn(&Site)) -> Scenario {
        Scenario { prepare, ..self }
    }

    fn acts(self, acts: &[Act]) -> Scenario {
        Scenario { acts: acts.to_vec(), ..self }
    }

    pub(crate) async fn site(&self) -> Site {
        let target = if self.upstream {
            json!({"upstream": {"blue": {"nodes": {"127.0.0.1:9001": 1}}, "green": {"nodes": {"127.0.0.1:9002": 1}}}})
        } else {
            json!({"process": {"command": ["shop", "--port", "{port}"], "readiness": {"deadline_ms": 60_000}}})
        };
        Site::with_target(target, self.policy.clone(), json!({}), Origin::Api).await
    }
}

fn in_shift(view: &ReleaseView) -> bool {
    view.share == 20
}

fn in_soak(view: &ReleaseView) -> bool {
    view.phase == "soak"
}

fn asks(view: &ReleaseView) -> bool {
    view.waiting_for.iter().any(|waiting| waiting.asks_person)
}

fn bad(site: &Site) {
    site.gateway.make_bad("2");
}

fn guarded(site: &Site) {
    site.gateway.make_bad("2");
    site.gateway.guard();
}

/// All of them.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let new = Scenario::new;
    let long = json!({"steps": [{"share": 20, "pause_ms": 400}, 100]});
    let queued = json!({"steps": [{"share": 20, "pause_ms": 400}, 100]});
    let held_back = json!({
        "soak": {"duration_ms": 300, "interval_ms": 40, "hold_back": 10},
        "hold": {"requests": "writes", "tries": 5},
    });
    let no_limits = json!({"limits": {"max_error_rate": null}});
    let notified = json!({"notifications": [
        {"name": "nobody", "url": "http://127.0.0.1:1/", "give_up_after_ms": 1, "events": ["done"]}]});
    let shadow = json!([{"name": "shadow", "timeout_ms": 10_000, "check": {"shadow": {
        "duration_ms": 1_000, "min_requests": 50, "request_timeout_ms": 200, "compare": {"ignore": ["$.id"]}}}}]);
    vec![
        new("good", Outcome::Promoted, json!({})),
        new("good_upstream", Outcome::Promoted, json!({})).upstream(),
        new("held", Outcome::Promoted, json!({"hold": {"requests": "writes", "tries": 5}})),
        new("held_back", Outcome::Promoted, held_back.clone()),
        new("held_back_abort", Outcome::Aborted, held_back).acts(&[(in_soak, What::Wish(Wish::Abort))]),
        new("compared_with_before", Outcome::Promoted, json!({"judge": {}})),
        new("notified", Outcome::Promoted, notified),
        Scenario {
            kept: Some("1"),
            ..new("reduced", Outcome::Promoted, json!({"decommission": {"reduce": {"instances": 1}}}))
        },
        new("kept_warm", Outcome::Promoted, json!({"decommission": {"keep_warm": {"for_ms": 200}}})),
        new("limits", Outcome::RolledBack, json!({})).prepare(bad),
        new("limits_upstream", Outcome::RolledBack, json!({})).prepare(bad).upstream(),
        new("judged", Outcome::RolledBack, json!({"judge": {}, "limits": {"max_error_rate": null}}))
            .prepare(bad),
        new("guard", Outcome::RolledBack, no_limits).prepare(guarded),
        new(
            "hold_in_vain",
            Outcome::RolledBack,
            json!({"hold": {"requests": "writes", "budget_ms": 60, "tries": 2}}),
        )
        .prepare(|site| site.gateway.set_writes(1)),
        Scenario {
            unseen: true,
            ..new("gate", Outcome::RolledBack, json!({})).prepare(|site| site.gates.fail_always())
        },
        Scenario {
            unseen: true,
            rehearsal: true,
            ..new("rehearsed", Outcome::Rehearsed, json!({"rehearsal": {"watch_ms": 0}}))
        },
        new("shadow", Outcome::Promoted, json!({ "gates": shadow })),
        new("abort", Outcome::Aborted, long.clone()).acts(&[(in_shift, What::Wish(Wish::Abort))]),
        new("edited", Outcome::Promoted, long.clone())
            .acts(&[(in_shift, What::Edit), (asks, What::Wish(Wish::Promote))]),
        new("a_gateway_goes", Outcome::Promoted, json!({"steps": [{"share": 20, "pause_ms": 1_200}, 100]}))
            .acts(&[(in_shift, What::LoseGateway)]),
        new("torn", Outcome::Promoted, json!({})).acts(&[(in_shift, What::Tear)]),
        Scenario {
            outcomes: vec![Outcome::Superseded, Outcome::Promoted],
            live: "3",
            ..new(
                "superseded",
                Outcome::Superseded,
                json!({"steps": [{"share": 20, "pause_ms": 400}, 100], "on_conflict": "supersede"}),
            )
            .acts(&[(in_shift, What::Release)])
        },
        new("next_is_withdrawn", Outcome::Promoted, queued.clone())
            .acts(&[(in_shift, What::Release), (in_shift, What::AbortNext)]),
        new("next_is_refused", Outcome::Promoted, queued)
            .acts(&[(in_shift, What::Release), (|_| true, What::NextIsFaulty)]),
    ]
}
