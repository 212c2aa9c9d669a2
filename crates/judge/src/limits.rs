//! Absolute limits: error rate and p99 of the new version's user traffic, by counts alone.
//!
//! Exact counts over a fixed window with a least number of requests, not a moving average: an average that is
//! weighted by rate can hide a total outage in a burst. A limit is broken when it is exceeded, not when it is met.
//!
//! Of a few requests a good version exceeds a limit by chance: of 20, two fail every fifth time at a true rate of 4 %. So an
//! error rate must be beyond its limit by more than chance explains: were the true rate the limit, what was seen, or
//! worse, would have a probability of at most [`BY_CHANCE`] (Chernoff's bound, by the Kullback-Leibler divergence of both rates).
//! Until then a rate beyond the limit is inconclusive: neither a failure nor a pass. Where nothing at all succeeds, the
//! least number of requests decides alone.
//!
//! With fewer requests than [`Limits::min_requests`] the verdict is inconclusive, with one exception: when every
//! single request failed and at least [`ENOUGH_TO_FAIL_ALL`] came, the verdict is a failure. A version that answers
//! nothing right must not go on failing users until the sample is large. Nothing less fires early, however sure it
//! may look: with one success among them the rest of the sample could still hold the limit.

use crate::figures::{milliseconds, percent};
use serde::{Deserialize, Serialize};

/// Requests after which a version that failed every one of them is given up, if that is less than the minimum.
pub const ENOUGH_TO_FAIL_ALL: u64 = 5;

/// How probable it may be that a version whose true rate is the limit shows what breaks it.
pub const BY_CHANCE: f64 = 0.001;

/// What was counted in the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Requests that ended with an answer, whole or cut short.
    pub requests: u64,
    /// Of these, how many failed; more than `requests` is read as all of them.
    pub failed: u64,
    /// 99th percentile of the time of whole answers, milliseconds; `None` if nothing was measured.
    pub p99_ms: Option<f64>,
}

/// What must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Greatest allowed share of failed requests, 0 to 1; `None`: not judged.
    pub max_error_rate: Option<f64>,
    /// Greatest allowed 99th percentile, milliseconds; `None`: not judged.
    pub max_p99_ms: Option<u64>,
    /// Requests below which nothing can be said; 0 counts as 1.
    pub min_requests: u64,
}

/// What the judge says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Every limit holds.
    Pass {
        /// What was seen, for a person.
        summary: String,
    },
    /// At least one limit is broken.
    Fail {
        /// One sentence per broken limit, for a person.
        evidence: Vec<String>,
    },
    /// It cannot be said.
    Inconclusive {
        /// Why, for a person.
        reason: String,
    },
}

/// Judges what was observed by the limits. Without any limit everything passes: there is nothing to judge.
#[must_use]
pub fn evaluate(observed: &Observed, limits: &Limits) -> Verdict {
    evaluate_beside(observed, &Observed { requests: 0, failed: 0, p99_ms: None }, limits)
}

/// The same; where the old version breaks the same limit meanwhile, the evidence says so. That changes no verdict: limits are
/// absolute.
#[must_use]
pub fn evaluate_beside(observed: &Observed, old: &Observed, limits: &Limits) -> Verdict {
    let old = Observed { failed: old.failed.min(old.requests), ..*old };
    let observed = Observed { failed: observed.failed.min(observed.requests), ..*observed };
    if limits.max_error_rate.is_none() && limits.max_p99_ms.is_none() {
        return Verdict::Pass { summary: format!("{}; no limit is set", seen(&observed)) };
    }
    if let Some(rate) = limits.max_error_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
        return Verdict::Inconclusive {
            reason: format!("the limit {rate} is not an error rate from 0 to 1"),
        };
    }
    if observed.requests < limits.min_requests.max(1) {
        return too_few(&observed, &old, limits);
    }
    let evidence: Vec<String> =
        [broken_error_rate(&observed, &old, limits), broken_p99(&observed, &old, limits)]
            .into_iter()
            .flatten()
            .collect();
    if !evidence.is_empty() {
        return Verdict::Fail { evidence };
    }
    if let Some(limit) = limits.max_error_rate.filter(|limit| error_rate(&observed) > *limit) {
        let reason = format!("{}, limit {}, which may be by chance", seen(&observed), percent(limit));
        return Verdict::Inconclusive { reason };
    }
    if limits.max_p99_ms.is_some() && measured_p99(&observed).is_none() {
        let reason = format!("{}, but no whole answer to measure a p99", seen(&observed));
        return Verdict::Inconclusive { reason };
    }
    Verdict::Pass { summary: seen(&observed) }
}

fn too_few(observed: &Observed, old: &Observed, limits: &Limits) -> Verdict {
    let minimum = limits.min_requests.max(1);
    let all_failed =
        observed.requests >= minimum.min(ENOUGH_TO_FAIL_ALL) && observed.failed == observed.requests;
    match broken_error_rate(observed, old, limits) {
        Some(evidence) if all_failed => Verdict::Fail { evidence: vec![evidence] },
        _ => Verdict::Inconclusive {
            reason: format!("{}; {minimum} are needed for a verdict", counted(observed.requests)),
        },
    }
}

fn broken_error_rate(observed: &Observed, old: &Observed, limits: &Limits) -> Option<String> {
    let limit = limits.max_error_rate?;
    let rate = error_rate(observed);
    let words = format!("{} ({}), limit {}", failures(observed), percent(rate), percent(limit));
    let is_known = old.requests >= limits.min_requests.max(1);
    let of_old = Some(error_rate(old)).filter(|old| is_known && *old > limit).map(percent);
    is_beyond(observed, limit).then(|| words + &meanwhile(of_old))
}

/// Whether a rate is beyond a limit by more than chance explains; or nothing succeeds, which is for the minimum to allow.
fn is_beyond(observed: &Observed, limit: f64) -> bool {
    let rate = error_rate(observed);
    let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    let divergence = part(rate, limit) + part(1.0 - rate, 1.0 - limit);
    let nothing_succeeds = observed.failed == observed.requests;
    rate > limit && (nothing_succeeds || observed.requests as f64 * divergence >= -BY_CHANCE.ln())
}

fn broken_p99(observed: &Observed, old: &Observed, limits: &Limits) -> Option<String> {
    let (limit, p99) = (limits.max_p99_ms?, measured_p99(observed)?);
    let words = format!("p99 is {} over {}, limit {limit} ms", milliseconds(p99), counted(observed.requests));
    let is_known = old.requests >= limits.min_requests.max(1);
    let of_old = measured_p99(old).filter(|old| is_known && *old > limit as f64).map(milliseconds);
    (p99 > limit as f64).then(|| words + &meanwhile(of_old))
}

/// What the old version shows that breaks the same limit.
fn meanwhile(of_old: Option<String>) -> String {
    of_old.map(|of_old| format!("; old version: {of_old} in the same window")).unwrap_or_default()
}

/// The p99, unless it is no number.
fn measured_p99(observed: &Observed) -> Option<f64> {
    observed.p99_ms.filter(|p99| p99.is_finite())
}

fn error_rate(observed: &Observed) -> f64 {
    observed.failed as f64 / observed.requests.max(1) as f64
}

fn failures(observed: &Observed) -> String {
    format!("{} of {} failed", observed.failed, counted(observed.requests))
}

fn counted(requests: u64) -> String {
    format!("{requests} request{}", if requests == 1 { "" } else { "s" })
}

fn seen(observed: &Observed) -> String {
    let failures = failures(observed);
    let rate = percent(error_rate(observed));
    match measured_p99(observed) {
        Some(p99) => format!("{failures} ({rate}), p99 {}", milliseconds(p99)),
        None => format!("{failures} ({rate})"),
    }
}

#[cfg(test)]
mod tests;
