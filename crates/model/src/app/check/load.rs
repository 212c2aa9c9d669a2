//! The load gate of a policy. A mix in a file is checked when the gate runs, by the same rules.

use super::policy::is_token;
use super::{Errors, outward};
use crate::field::{FieldError, push_segment};
use crate::policy::{
    Load, LoadRequest, MAX_LOAD_ANSWER_BYTES, MAX_LOAD_CONNECTIONS, MAX_LOAD_MS, MAX_LOAD_PRELUDE_MS,
    MAX_LOAD_RATE, MAX_LOAD_REQUEST_MS, MAX_LOAD_REQUESTS, MAX_LOAD_WEIGHT, MAX_REPLAYED, REPLAY_BYTES,
    Replay,
};
use crate::target::EnvValue;

/// Headers that belong to the connection, or that the gate sets itself.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
    "x-request-id",
    "x-tealgate-load",
];

/// What is wrong with a mix that was read from a file; the pointers begin at its list.
#[must_use]
pub fn check_load_mix(load: &Load, mix: &[LoadRequest]) -> Vec<FieldError> {
    let mut errors = Errors::default();
    requests(&mut errors, "", load, mix);
    errors.list
}

pub(super) fn check(errors: &mut Errors, at: &str, load: &Load) {
    let rate = load.rate_per_second;
    errors.expect(
        (1..=MAX_LOAD_RATE).contains(&rate),
        &format!("{at}/rate_per_second"),
        "must be 1 to 10000",
    );
    let text = "must be 1 to the rate of the new version";
    errors.expect((1..=rate).contains(&load.live_rate()), &format!("{at}/live_rate_per_second"), text);
    let ranges = [
        ("duration_ms", load.duration_ms, 1_000, MAX_LOAD_MS, "must be 1000 to 3600000"),
        ("warm_up_ms", load.warm_up_ms, 500, MAX_LOAD_PRELUDE_MS, "must be 500 to 600000"),
        ("users_before_ms", load.users_before_ms, 0, MAX_LOAD_PRELUDE_MS, "must be at most 600000"),
        ("request_timeout_ms", load.request_timeout_ms, 1, MAX_LOAD_REQUEST_MS, "must be 1 to 60000"),
        ("max_answer_bytes", load.max_answer_bytes, 1, MAX_LOAD_ANSWER_BYTES, "must be 1 to 1073741824"),
        ("connections", load.connections.into(), 1, MAX_LOAD_CONNECTIONS.into(), "must be 1 to 2000"),
        ("max_lag_ms", load.max_lag_ms, 1, 60_000, "must be 1 to 60000"),
        ("min_answers", load.min_answers, 1, u64::MAX, "must be at least 1"),
        ("max_p99_ms", load.max_p99_ms.unwrap_or(1), 1, MAX_LOAD_REQUEST_MS, "must be 1 to 60000"),
    ];
    for (name, value, least, most, text) in ranges {
        errors.expect((least..=most).contains(&value), &format!("{at}/{name}"), text);
    }
    let sent = u64::from(load.live_rate()).saturating_mul(load.duration_ms) / 1_000;
    let text = "must be at most what is sent to the live version: its rate times the duration";
    errors.expect(load.min_answers <= sent, &format!("{at}/min_answers"), text);
    let rate = (0.0..=1.0).contains(&load.max_error_rate);
    errors.expect(rate, &format!("{at}/max_error_rate"), "must be 0 to 1");
    let slowdown = (1.0..=100.0).contains(&load.max_slowdown);
    errors.expect(slowdown, &format!("{at}/max_slowdown"), "must be 1 to 100");
    let alpha = load.alpha >= 1e-12 && load.alpha < 1.0;
    errors.expect(alpha, &format!("{at}/alpha"), "must be at least 1e-12 and less than 1");
    for (index, method) in load.unsafe_methods.iter().enumerate() {
        let at = format!("{at}/unsafe_methods/{index}");
        errors.expect(is_token(method) && method != "CONNECT", &at, "must be a method other than CONNECT");
    }
    if let Some(file) = &load.requests_file {
        let right = !file.is_empty() && !file.contains('\0');
        errors.expect(right, &format!("{at}/requests_file"), "must name a file");
    }
    let some = !load.requests.is_empty() || load.requests_file.is_some();
    if let Some(policy) = &load.replay {
        let text =
            "cannot stand beside requests or requests_file: how often each came is part of the recording";
        errors.expect(!some, &format!("{at}/replay"), text);
        replay(errors, &format!("{at}/replay"), policy);
    }
    let at = format!("{at}/requests");
    errors.expect(some || load.replay.is_some(), &at, "needs a request, requests_file, or replay");
    requests(errors, &at, load, &load.requests);
}

fn replay(errors: &mut Errors, at: &str, replay: &Replay) {
    let right = !replay.access_log.is_empty() && !replay.access_log.contains('\0');
    errors.expect(right, &format!("{at}/access_log"), "must name a file");
    let right = REPLAY_BYTES.contains(&replay.newest_bytes);
    errors.expect(right, &format!("{at}/newest_bytes"), "must be 65536 to 268435456");
    let right = (1..=MAX_REPLAYED).contains(&replay.max_requests);
    errors.expect(right, &format!("{at}/max_requests"), "must be 1 to 10000");
    for (name, value) in &replay.headers {
        header(errors, &format!("{at}/headers"), name, value);
    }
}

fn requests(errors: &mut Errors, at: &str, load: &Load, mix: &[LoadRequest]) {
    errors.expect(mix.len() <= MAX_LOAD_REQUESTS, at, "must have at most 256 requests");
    for (index, one) in mix.iter().enumerate() {
        let at = format!("{at}/{index}");
        errors.path(&format!("{at}/path"), &one.path);
        let weight = (1..=MAX_LOAD_WEIGHT).contains(&one.weight);
        errors.expect(weight, &format!("{at}/weight"), "must be 1 to 10000");
        let text = "is not GET, HEAD or OPTIONS; if it does no harm, add it to unsafe_methods";
        errors.expect(load.allows(&one.method), &format!("{at}/method"), text);
        for (name, value) in &one.headers {
            header(errors, &format!("{at}/headers"), name, value);
        }
    }
}

fn header(errors: &mut Errors, at: &str, name: &str, value: &EnvValue) {
    let mut at = at.to_owned();
    push_segment(&mut at, name);
    let own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
    errors.expect(!own, &at, "is set by the gate itself");
    outward::header(errors, &at, name, value);
}
