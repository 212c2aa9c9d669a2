//! Metrics of gates: their sources and bounds.

use super::policy::is_json_pointer;
use super::{Errors, outward};
use crate::address::WebAddress;
use crate::field::push_segment;
use crate::policy::{Metric, Source, template};
use crate::target::EnvValue;
use std::collections::BTreeMap;

/// Most points of a range; Prometheus refuses more than 11,000.
const MAX_POINTS: u64 = 1_000;
/// Longest query, bytes.
const MAX_QUERY: usize = 16_384;

pub(super) fn check(errors: &mut Errors, at: &str, metric: &Metric, timeout_ms: u64) {
    let finite = |bound: Option<f64>| bound.is_none_or(f64::is_finite);
    errors.expect(finite(metric.at_most), &format!("{at}/at_most"), "must be a number");
    errors.expect(finite(metric.at_least), &format!("{at}/at_least"), "must be a number");
    let bounded = metric.at_most.is_some() || metric.at_least.is_some();
    errors.expect(bounded, at, "must have at_most, at_least or both: without a bound it would prove nothing");
    if let (Some(most), Some(least)) = (metric.at_most, metric.at_least) {
        errors.expect(least <= most, &format!("{at}/at_least"), "must not be larger than at_most");
    }
    let count = (1..=1_000).contains(&metric.count);
    errors.expect(count, &format!("{at}/count"), "must be 1 to 1000");
    let below = |limit: u32| limit < metric.count;
    let text = "must be smaller than count: otherwise nothing would have to be in bounds";
    errors.expect(below(metric.failure_limit), &format!("{at}/failure_limit"), text);
    errors.expect(below(metric.inconclusive_limit), &format!("{at}/inconclusive_limit"), text);
    errors.positive_duration(&format!("{at}/interval_ms"), metric.interval_ms);
    errors.positive_duration(&format!("{at}/query_timeout_ms"), metric.query_timeout_ms);
    let needed_ms = u64::from(metric.count.saturating_sub(1)).saturating_mul(metric.interval_ms);
    let fits = needed_ms < timeout_ms;
    errors.expect(fits, &format!("{at}/count"), "all measurements must fit into the gate's timeout_ms");
    source(errors, &format!("{at}/source"), &metric.source);
}

fn source(errors: &mut Errors, at: &str, source: &Source) {
    match source {
        Source::Prometheus { url, query, range_ms, step_ms, headers: sent } => {
            let at = format!("{at}/prometheus");
            address(errors, &format!("{at}/url"), url, false);
            errors.expect(!query.trim().is_empty(), &format!("{at}/query"), "must be a query");
            errors.expect(
                query.len() <= MAX_QUERY,
                &format!("{at}/query"),
                "must be at most 16384 bytes long",
            );
            expandable(errors, &format!("{at}/query"), query);
            errors.positive_duration(&format!("{at}/step_ms"), *step_ms);
            if let Some(range_ms) = range_ms {
                errors.positive_duration(&format!("{at}/range_ms"), *range_ms);
                let points = range_ms / (*step_ms).max(1);
                errors.expect(
                    points <= MAX_POINTS,
                    &format!("{at}/step_ms"),
                    "a range has at most 1000 points",
                );
            }
            headers(errors, &format!("{at}/headers"), sent);
        }
        Source::HttpJson { url, pointer, headers: sent } => {
            let at = format!("{at}/http_json");
            address(errors, &format!("{at}/url"), url, true);
            let right = is_json_pointer(pointer);
            errors.expect(
                right,
                &format!("{at}/pointer"),
                "must be a JSON pointer (RFC 6901), such as /errors/rate",
            );
            headers(errors, &format!("{at}/headers"), sent);
        }
        Source::Command { command, env, working_dir } => {
            outward::program(errors, &format!("{at}/command"), command, env, working_dir.as_deref());
        }
    }
}

fn address(errors: &mut Errors, at: &str, url: &str, has_names: bool) {
    let url = match template::sample(url) {
        Ok(url) if has_names => url,
        Ok(_) => url.to_owned(),
        Err(error) => {
            errors.add(at, error.to_string());
            return;
        }
    };
    if let Err(error) = WebAddress::parse(&url) {
        errors.add(at, error.to_string());
    }
}

fn expandable(errors: &mut Errors, at: &str, text: &str) {
    if let Err(error) = template::sample(text) {
        errors.add(at, error.to_string());
    }
}

fn headers(errors: &mut Errors, at: &str, headers: &BTreeMap<String, EnvValue>) {
    for (name, value) in headers {
        let mut at = at.to_owned();
        push_segment(&mut at, name);
        outward::header(errors, &at, name, value);
    }
}
