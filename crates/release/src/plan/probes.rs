//! What a rehearsal asks of both versions: without users nobody else would find that the new one answers nothing but errors. Pure.

use super::Plan;
use crate::gate::without_query;
use crate::target::EnvironmentSpec;
use model::policy::{
    Beside, BesideRequest, Check, Gate, OnFail, OnInconclusive, ReleasePolicy, SAFE_METHODS, When,
};
use model::target::{Probe, Target};

/// The gate in which a rehearsal asks both versions the same. No gate of a policy has blanks in its name.
pub const PROBES: &str = "side by side";
/// Its limit, milliseconds.
const PROBES_TIMEOUT_MS: u64 = 60_000;
/// How often each version is asked each request.
const PROBE_ROUNDS: u32 = 10;
/// Most requests of it that nobody has written for it.
const MAX_FOUND: usize = 16;

/// The gate that asks both versions the same at the end of the watch, and what is to be said of it.
pub(super) fn planned(policy: &ReleasePolicy, new: &EnvironmentSpec) -> (Option<Gate>, String) {
    let scheme = new.scheme_for_gates();
    if !matches!(scheme, "http" | "https") {
        let what =
            format!("nothing is asked of either version: the new one speaks {scheme}, not http or https");
        return (None, what);
    }
    let requests = match policy.rehearsal.requests.as_slice() {
        [] => found(&policy.gates, &new.target),
        written => written.to_vec(),
    };
    let mut named: Vec<String> = Vec::new();
    for request in &requests {
        let name = format!("{} {}", request.method, without_query(&request.path));
        if !named.contains(&name) {
            named.push(name);
        }
    }
    let note = format!(
        "at its end both versions are asked the same, {PROBE_ROUNDS} times each: {}; it fails where the new one answers with 5xx, \
         or not at all, and the old one does not, or with 4xx where the old one serves it",
        named.join(", ")
    );
    let gate = Gate {
        name: PROBES.to_owned(),
        when: vec![When::Soak],
        check: Check::Beside(Beside { requests, rounds: PROBE_ROUNDS }),
        timeout_ms: PROBES_TIMEOUT_MS,
        on_fail: OnFail::Rollback,
    };
    (Some(gate), note)
}

impl Plan {
    /// What follows where a gate can say nothing. What a rehearsal asks by itself may say nothing where the old version fails alike;
    /// waiting would not change that.
    #[must_use]
    pub(crate) fn on_inconclusive_of(&self, gate: &str) -> OnInconclusive {
        let is_probe = self.rehearsal.is_some() && gate == PROBES;
        if is_probe { OnInconclusive::Proceed } else { self.on_inconclusive }
    }
}

/// What is asked where the policy does not say: the root, what readiness asks, and what smoke gates ask that changes nothing.
fn found(gates: &[Gate], target: &Target) -> Vec<BesideRequest> {
    let readiness = match target {
        Target::Process(process) => &process.readiness,
        Target::Upstream(upstream) => &upstream.readiness,
    };
    let mut found = vec![BesideRequest::get("/")];
    if let Probe::Http { path, .. } = &readiness.probe {
        found.push(BesideRequest::get(path));
    }
    let smoke = gates.iter().filter_map(|gate| match &gate.check {
        Check::Smoke { requests, .. } => Some(requests),
        _ => None,
    });
    let safe = smoke.flatten().filter(|request| SAFE_METHODS.contains(&request.method.as_str()));
    for request in safe.filter(|request| request.body.is_none()) {
        let (method, path, headers) = (request.method.clone(), request.path.clone(), request.headers.clone());
        found.push(BesideRequest { method, path, headers });
    }
    let mut once: Vec<BesideRequest> = Vec::new();
    for request in found {
        if !once.contains(&request) && once.len() < MAX_FOUND {
            once.push(request);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::colour::Colour;
    use serde_json::{Value, json};

    fn paths(readiness: Value, gates: Value) -> Vec<String> {
        let target = json!({"process": {"command": ["shop"], "readiness": readiness}});
        let gates: Vec<Gate> = serde_json::from_value(gates).unwrap();
        let found = found(&gates, &serde_json::from_value(target).unwrap());
        found.iter().map(|one| format!("{} {}", one.method, one.path)).collect()
    }

    #[test]
    fn what_is_asked_is_the_root_and_what_somebody_asks_already_and_nothing_that_may_change_data() {
        assert_eq!(paths(json!({}), json!([])), ["GET /"]);
        let requests = json!([
            {"path": "/cart"}, {"path": "/"}, {"path": "/buy", "method": "POST"}, {"path": "/a", "method": "HEAD"},
        ]);
        let smoke = json!([{"name": "smoke", "check": {"smoke": {"requests": requests}}}]);
        let ready = json!({"probe": {"http": {"path": "/healthz"}}});
        assert_eq!(paths(ready, smoke), ["GET /", "GET /healthz", "GET /cart", "HEAD /a"]);
        let many: Vec<Value> = (0..100).map(|number| json!({"path": format!("/{number}")})).collect();
        let many = json!([{"name": "smoke", "check": {"smoke": {"requests": many}}}]);
        assert_eq!(paths(json!({}), many).len(), MAX_FOUND);
    }

    #[test]
    fn what_the_policy_says_is_asked_and_nothing_else() {
        let asked = json!([{"path": "/orders?page=2"}, {"path": "/"}, {"path": "/orders?page=3"}]);
        let policy = json!({"rehearsal": {"requests": asked}});
        let policy: ReleasePolicy = serde_json::from_value(policy).unwrap();
        let (gate, note) = planned(&policy, &crate::example::environment(Colour::Green, "2"));
        let Some(Check::Beside(Beside { requests, .. })) = gate.map(|gate| gate.check) else {
            panic!("{note}")
        };
        assert_eq!(requests, ["/orders?page=2", "/", "/orders?page=3"].map(BesideRequest::get));
        assert!(note.contains("10 times each: GET /orders?..., GET /; it fails"), "{note}");
    }
}
