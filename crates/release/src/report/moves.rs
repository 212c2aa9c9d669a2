//! The moves of traffic, whoever made them: the controller's, and those that the guards of gateways made by themselves.

use super::GuardSummary;
use crate::journal::{Folded, Move};
use crate::machine::{Cause, State};

/// All of a release, in the order of time.
pub(super) fn moves(folded: &Folded) -> Vec<Move> {
    let by_controllers = folded.moves.iter().map(|moved| Move { why: why(folded, moved), ..moved.clone() });
    let mut moves: Vec<Move> = by_controllers.chain(folded.guards.iter().map(by_guard)).collect();
    moves.sort_by_key(|moved| moved.intended_at_ms);
    moves
}

fn by_guard(guard: &GuardSummary) -> Move {
    Move {
        action: guard.id.clone(),
        kind: Move::GUARD.to_owned(),
        share: 0,
        rehearses: None,
        intended_at_ms: guard.trip.at_ms,
        revision: None,
        took_ms: None,
        took_us: guard.trip.swapped_in_us,
        by: Some(format!("guard of gateway {}", guard.gateway)),
        why: Some(guard.trip.evidence.join("; ")),
    }
}

fn why(folded: &Folded, moved: &Move) -> Option<String> {
    let plan = folded.plan.as_ref()?;
    let share = moved.rehearses.unwrap_or(moved.share);
    Some(match moved.kind.as_str() {
        "copy" => "copies of live requests for a shadow gate".to_owned(),
        "clean-up" => "promoted".to_owned(),
        "restore" => match folded.state.as_ref().and_then(|state: &State| state.cause.as_ref()) {
            Some(Cause::Guard { .. }) => "the guard has fired: put back for all gateways".to_owned(),
            Some(cause) => cause.to_string(),
            None => "it goes back".to_owned(),
        },
        _ if share == 0 => "the preview, for the gates".to_owned(),
        _ => match plan.steps.iter().position(|step| step.share == share) {
            Some(step) => format!("step {} of {}", step + 1, plan.steps.len()),
            None => "the soak is over: what was held back follows".to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Event, fold, read};
    use serde_json::json;

    #[test]
    fn what_a_guard_did_by_itself_stands_among_the_moves_with_its_time_and_reason() {
        let requested = Event::Requested(Box::new(crate::example::request("2")));
        let chain = read(&crate::example::journal_of(&[requested])).unwrap();
        let mut folded = fold("shop-2", &chain).unwrap();
        let moved = |kind: &str, at_ms: i64| {
            let moved = json!({"action": kind, "kind": kind, "share": 20, "intended_at_ms": at_ms, "revision": 5,
                "took_ms": 9, "by": "controller c-1"});
            serde_json::from_value::<Move>(moved).unwrap()
        };
        folded.plan = Some(crate::notify::tests::planned());
        folded.moves = vec![moved("share", 10), moved("restore", 40)];
        let trip = json!({"bound": "break", "evidence": ["9 of 9 requests failed"], "at_ms": 30, "swapped_in_us": 1_400});
        let guard = json!({"id": "g", "gateway": "gw-1", "trip": trip});
        folded.guards = vec![serde_json::from_value(guard).unwrap()];
        let moves = moves(&folded);
        let kinds: Vec<&str> = moves.iter().map(|moved| moved.kind.as_str()).collect();
        assert_eq!(kinds, ["share", "guard", "restore"]);
        let guard = &moves[1];
        assert_eq!((guard.share, guard.intended_at_ms, guard.took_us), (0, 30, Some(1_400)));
        assert_eq!(guard.by.as_deref(), Some("guard of gateway gw-1"));
        assert_eq!(guard.why.as_deref(), Some("9 of 9 requests failed"));
        assert!(moves.iter().all(|moved| moved.by.is_some() && moved.why.is_some()), "{moves:?}");
    }
}
