//! Gates that need live requests, copied (shadow) or recorded (replay): when they can speak, what a person should know, and the rule by which the gateways copy.

use super::{Component, Plan};
use model::colour::upstream_id;
use model::policy::{Check, Gate, Shadow};
use model::traffic_split::ShadowRule;

/// Takes gates out where there are no live requests to copy or to replay, and says what is to be known of those that stay.
pub(super) fn planned(gates: &mut Vec<Gate>, has_users: bool) -> Vec<String> {
    let mut notes = Vec::new();
    gates.retain(|gate| match &gate.check {
        Check::Shadow(shadow) if has_users => {
            notes.extend(told(&gate.name, shadow));
            true
        }
        Check::Shadow(_) => {
            let name = &gate.name;
            notes.push(format!(
                "gate {name} does not run: nothing is live yet, so there are no live requests to copy"
            ));
            false
        }
        Check::Beside(_) if !has_users => {
            let name = &gate.name;
            notes.push(format!(
                "gate {name} does not run: nothing is live yet, so there is nothing to ask beside it"
            ));
            false
        }
        Check::Load(load) if !has_users && load.replay.is_some() => {
            let name = &gate.name;
            notes.push(format!(
                "gate {name} does not run: nothing is live yet, so no live requests are recorded"
            ));
            false
        }
        _ => true,
    });
    notes
}

fn told(name: &str, shadow: &Shadow) -> Vec<String> {
    let (share, seconds) = (shadow.share, shadow.duration_ms as f64 / 1_000.0);
    let methods = shadow.all_methods().join(", ");
    let mut notes = vec![format!(
        "gate {name}: for {seconds} s {share} % of live requests ({methods}) are copied to the new version; no user waits for \
         a copy or sees its answer"
    )];
    if !shadow.unsafe_methods.is_empty() {
        let methods = shadow.unsafe_methods.join(", ");
        notes.push(format!(
            "gate {name} copies {methods}, too: what these requests do is done twice, once by each version"
        ));
    }
    notes
}

/// By what the gateways know the copies that a gate asks for. The moment of the plan tells it from every other one, also
/// from one of the same name in a store that was lost.
#[must_use]
pub fn shadow_id(plan: &Plan, number: u32) -> String {
    format!("{}-{}-{number}", plan.release.trim_start_matches('.'), plan.made_at_ms)
}

/// The rule that copies requests for a gate of the plan; `None`: it is no shadow gate.
#[must_use]
pub fn shadow_rule(plan: &Plan, component: &Component, gate: usize, number: u32) -> Option<ShadowRule> {
    let Check::Shadow(shadow) = &plan.gates.get(gate)?.check else { return None };
    Some(ShadowRule {
        id: shadow_id(plan, number),
        to: upstream_id(&component.app, component.new.colour),
        share_ppm: ppm(shadow.share).max(1),
        noise_ppm: ppm(shadow.noise_share),
        methods: Some(shadow.all_methods()),
        max_per_s: shadow.max_per_second,
        max_in_flight: shadow.max_in_flight,
        max_body_bytes: shadow.max_body_bytes,
        timeout_ms: shadow.request_timeout_ms,
        headers: shadow.compare.headers.clone(),
        ignore: shadow.compare.ignore.clone(),
        examples: shadow.examples,
    })
}

/// Percent in millionths, at most all.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from f64 saturates")]
fn ppm(percent: f64) -> u32 {
    ((percent * 10_000.0).round() as u32).min(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_become_millionths_and_never_more_than_all() {
        let read = [0.0001, 0.5, 10.0, 100.0, 1e9, f64::NAN].map(ppm);
        assert_eq!(read, [1, 5_000, 100_000, 1_000_000, 1_000_000, 0]);
    }
}
