//! The shadow gate of a policy.

use super::Errors;
use super::policy::is_token;
use crate::policy::{Gate, MAX_SHADOW_MS, Shadow, When};
use crate::traffic_split::{JsonPath, MAX_TEXT, SAFE_METHODS};

/// More than a request can usefully have.
const MAX_NAMES: usize = 64;

/// What a gate around it must be.
pub(super) fn check_gate(errors: &mut Errors, at: &str, gate: &Gate, shadow: &Shadow) {
    let before = gate.when == [When::BeforeShift];
    errors.expect(before, &format!("{at}/when"), "a shadow gate runs before_shift only");
    let longer = gate.timeout_ms > shadow.duration_ms;
    errors.expect(longer, &format!("{at}/timeout_ms"), "must be more than duration_ms");
}

pub(super) fn check(errors: &mut Errors, at: &str, shadow: &Shadow) {
    let percents = [
        ("share", shadow.share, 0.0001, "must be 0.0001 to 100"),
        ("noise_share", shadow.noise_share, 0.0, "must be 0 to 100"),
    ];
    for (name, percent, least, text) in percents {
        errors.expect((least..=100.0).contains(&percent), &format!("{at}/{name}"), text);
    }
    let ranges = [
        ("duration_ms", shadow.duration_ms, 1_000, MAX_SHADOW_MS, "must be 1000 to 86400000"),
        ("min_requests", shadow.min_requests, 1, u64::MAX, "must be at least 1"),
        ("max_per_second", shadow.max_per_second.into(), 1, 100_000, "must be 1 to 100000"),
        ("max_in_flight", shadow.max_in_flight.into(), 1, 10_000, "must be 1 to 10000"),
        ("max_body_bytes", shadow.max_body_bytes, 0, 16_777_216, "must be at most 16777216"),
        ("request_timeout_ms", shadow.request_timeout_ms, 1, 60_000, "must be 1 to 60000"),
    ];
    for (name, value, least, most, text) in ranges {
        errors.expect((least..=most).contains(&value), &format!("{at}/{name}"), text);
    }
    let rates = [
        ("max_different_rate", shadow.max_different_rate),
        ("max_no_answer_rate", shadow.max_no_answer_rate),
    ];
    for (name, rate) in rates {
        errors.expect((0.0..=1.0).contains(&rate), &format!("{at}/{name}"), "must be 0 to 1");
    }
    methods(errors, at, shadow);
    names(errors, &format!("{at}/compare/headers"), &shadow.compare.headers, |name| {
        let right = is_token(name) && name.len() <= MAX_TEXT;
        (!right).then_some("the name of a header must be a token (RFC 9110 §5.6.2) of at most 128 bytes")
    });
    names(errors, &format!("{at}/compare/ignore"), &shadow.compare.ignore, |pointer| {
        let right = JsonPath::parse(pointer).is_ok();
        (!right).then_some("must be a place in a JSON body, such as $.updated_at or $.items[*].id")
    });
}

fn methods(errors: &mut Errors, at: &str, shadow: &Shadow) {
    let some = !shadow.methods.is_empty() || !shadow.unsafe_methods.is_empty();
    errors.expect(some, &format!("{at}/methods"), "needs a method, or nothing is copied");
    names(errors, &format!("{at}/methods"), &shadow.methods, |method| {
        let is_safe = SAFE_METHODS.contains(&method);
        (!is_safe).then_some(
            "is not GET, HEAD or OPTIONS: what it does would be done twice; if that does no harm, put it into unsafe_methods",
        )
    });
    names(errors, &format!("{at}/unsafe_methods"), &shadow.unsafe_methods, |method| {
        let right = is_token(method) && method.len() <= MAX_TEXT && !["CONNECT", "TRACE"].contains(&method);
        (!right).then_some("must be a method of at most 128 bytes other than CONNECT and TRACE")
    });
}

fn names(errors: &mut Errors, at: &str, names: &[String], wrong: impl Fn(&str) -> Option<&'static str>) {
    errors.expect(names.len() <= MAX_NAMES, at, "must have at most 64 entries");
    for (index, name) in names.iter().enumerate() {
        if let Some(text) = wrong(name) {
            errors.add(format!("{at}/{index}"), text);
        }
    }
}
