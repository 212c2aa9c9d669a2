//! The labels by which a resource says a time, in milliseconds, and what of them cannot be read.
//!
//! A label is free text for APISIX, so a wrong one is no error of the resource: it is left out, and whoever wrote it is told.

use crate::colour::{LABEL_DRAIN_TIMEOUT_MS, LABEL_SLOW_START_MS, LABEL_TOTAL_TIMEOUT_MS};
use crate::resource::Kind;
use serde_json::Value;

/// The longest time that a label can say, milliseconds: ten years.
const MOST_MS: u64 = 10 * 365 * 24 * 3_600 * 1_000;

/// A label that says no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongLabel {
    /// Where it stands, as a JSON pointer into the resource.
    pub pointer: String,
    /// What is wrong, and what holds instead.
    pub text: String,
}

/// The time of a label, milliseconds, if its text is one.
#[must_use]
pub fn parse_ms(text: &str) -> Option<u64> {
    text.parse().ok().filter(|ms| *ms <= MOST_MS)
}

/// The time that a label of a resource says, milliseconds; `None` if it has none, or none that can be read.
#[must_use]
pub fn ms(owner: &Value, label: &str) -> Option<u64> {
    parse_ms(owner.get("labels")?.get(label)?.as_str()?)
}

/// The labels of a resource that say no time, those of an upstream that is written inside included.
#[must_use]
pub fn wrong(kind: Kind, value: &Value) -> Vec<WrongLabel> {
    let inline = || value.get("upstream").map(|inline| of_upstream(inline, true)).unwrap_or_default();
    let inside = |one: WrongLabel| WrongLabel { pointer: format!("/upstream{}", one.pointer), ..one };
    match kind {
        Kind::Upstream => of_upstream(value, false),
        Kind::Service => inline().into_iter().map(inside).collect(),
        Kind::Route => of_route(value).into_iter().chain(inline().into_iter().map(inside)).collect(),
        _ => Vec::new(),
    }
}

/// Those of a route itself.
#[must_use]
pub fn of_route(route: &Value) -> Vec<WrongLabel> {
    let total = found(route, LABEL_TOTAL_TIMEOUT_MS, "the setting limits.total_timeout_ms holds");
    let drain =
        found(route, LABEL_DRAIN_TIMEOUT_MS, "that of the upstream or the setting drain_timeout_ms holds");
    total.into_iter().chain(drain).collect()
}

/// Those of an upstream; one that is written inside another resource (`inline`) has no slow start.
#[must_use]
pub fn of_upstream(upstream: &Value, inline: bool) -> Vec<WrongLabel> {
    let slow_start = found(upstream, LABEL_SLOW_START_MS, "there is no slow start").filter(|_| !inline);
    let drain = found(upstream, LABEL_DRAIN_TIMEOUT_MS, "the setting drain_timeout_ms holds");
    slow_start.into_iter().chain(drain).collect()
}

fn found(owner: &Value, label: &str, instead: &str) -> Option<WrongLabel> {
    let value = owner.get("labels")?.get(label)?;
    if value.as_str().and_then(parse_ms).is_some() {
        return None;
    }
    let text = format!(
        "the label {label} is no number of milliseconds from 0 to {MOST_MS} (digits alone, no unit): {instead}"
    );
    Some(WrongLabel { pointer: format!("/labels/{label}"), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_digits_alone_and_bounded() {
        assert_eq!([parse_ms("0"), parse_ms("1500")], [Some(0), Some(1_500)]);
        for text in ["", "abc", "-1", "500ms", "1.5", " 5", "315360000001", "99999999999999999999"] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let labels =
            json!({"tealgate.total_timeout_ms": "abc", "tealgate.drain_timeout_ms": "-1", "team": "shop"});
        let inline = json!({"labels": {"tealgate.drain_timeout_ms": "500ms", "tealgate.slow_start_ms": "x"}});
        let route = json!({"labels": labels, "upstream": inline});
        let places = |kind, value: &Value| -> Vec<String> {
            wrong(kind, value).into_iter().map(|one| one.pointer).collect()
        };
        assert_eq!(
            places(Kind::Route, &route),
            [
                "/labels/tealgate.total_timeout_ms",
                "/labels/tealgate.drain_timeout_ms",
                "/upstream/labels/tealgate.drain_timeout_ms"
            ]
        );
        assert_eq!(
            places(Kind::Upstream, &inline),
            ["/labels/tealgate.slow_start_ms", "/labels/tealgate.drain_timeout_ms"]
        );
        assert!(places(Kind::Service, &json!({"labels": labels})).is_empty(), "they mean nothing there");
        let right = json!({"labels": {"tealgate.total_timeout_ms": "0", "tealgate.drain_timeout_ms": "5"}});
        assert!(places(Kind::Route, &right).is_empty());
    }
}
