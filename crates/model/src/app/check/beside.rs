//! Requests that both versions are asked: one of them has users, so only what is safe.

use super::Errors;
use super::outward;
use crate::field::push_segment;
use crate::policy::{Beside, BesideRequest, MAX_BESIDE_REQUESTS, MAX_BESIDE_ROUNDS, SAFE_METHODS};

pub(super) fn check(errors: &mut Errors, at: &str, beside: &Beside) {
    let many = !beside.requests.is_empty();
    errors.expect(many, &format!("{at}/requests"), "must have 1 to 64 requests");
    requests(errors, &format!("{at}/requests"), &beside.requests);
    let rounds = (1..=MAX_BESIDE_ROUNDS).contains(&beside.rounds);
    errors.expect(rounds, &format!("{at}/rounds"), "must be 1 to 100");
}

pub(super) fn requests(errors: &mut Errors, at: &str, requests: &[BesideRequest]) {
    errors.expect(requests.len() <= MAX_BESIDE_REQUESTS, at, "must have at most 64 requests");
    for (index, request) in requests.iter().enumerate() {
        let at = format!("{at}/{index}");
        let safe = SAFE_METHODS.contains(&request.method.as_str());
        let text = "must be GET, HEAD or OPTIONS: the live version is asked, too";
        errors.expect(safe, &format!("{at}/method"), text);
        errors.path(&format!("{at}/path"), &request.path);
        for (name, value) in &request.headers {
            let mut at = format!("{at}/headers");
            push_segment(&mut at, name);
            outward::plain_header(errors, &at, name, value);
        }
    }
}
