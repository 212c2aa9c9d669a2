//! The metrics of checks of the business.

use super::{OVERFLOW, escaped, head, labels};
use crate::counts::Examined;
use crate::series::{CheckCounts, OTHER_CHECKS, SeriesKey};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Sets of labels (route, service, app, answerer, lane, check) that are shown one by one; those beyond it, in the order of
/// the keys, are one per answerer and lane, with the route [`OVERFLOW`] and the check [`OTHER_CHECKS`].
const MAX_CHECKS: usize = 1_000;

/// Renders them; nothing while no rule checks anything.
#[must_use]
pub fn render_checks(checks: &[CheckCounts]) -> String {
    const NAME: &str = "tealgate_answer_checks_total";
    let mut out = String::new();
    if checks.is_empty() {
        return out;
    }
    head(&mut out, NAME, "counter", "Answers by what a check of the business says of them.");
    let (shown, beyond) = checks.split_at(checks.len().min(MAX_CHECKS));
    for one in shown {
        write(&mut out, NAME, &one.key, &one.check, one.said);
    }
    let mut rest: BTreeMap<SeriesKey, Examined> = BTreeMap::new();
    for one in beyond {
        let (route, service, app) = (OVERFLOW.to_owned(), String::new(), String::new());
        let sum = rest.entry(SeriesKey { route, service, app, ..one.key.clone() }).or_default();
        *sum = sum.plus(one.said);
    }
    for (key, said) in rest {
        write(&mut out, NAME, &key, OTHER_CHECKS, said);
    }
    out
}

fn write(out: &mut String, name: &str, key: &SeriesKey, check: &str, said: Examined) {
    let (labels, check) = (labels(key), escaped(check));
    let Examined { passed, failed, unexamined } = said;
    for (outcome, count) in [("passed", passed), ("failed", failed), ("not_examined", unexamined)] {
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{name}{{{labels},check=\"{check}\",outcome=\"{outcome}\"}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::{Answerer, Lane};

    fn check(route: &str, check: &str) -> CheckCounts {
        let key = SeriesKey {
            route: route.to_owned(),
            service: "s".to_owned(),
            app: "shop".to_owned(),
            answerer: Answerer::Green,
            lane: Lane::Share,
            epoch: 0,
        };
        CheckCounts { key, check: check.to_owned(), said: Examined { passed: 3, failed: 2, unexamined: 1 } }
    }

    #[test]
    fn each_check_says_what_it_found_under_its_name() {
        assert_eq!(render_checks(&[]), "");
        let text = render_checks(&[check("r", "order"), check("r", "paid")]);
        let labels = r#"route="r",service="s",app="shop",answerer="green",lane="share""#;
        for (outcome, count) in [("passed", 3), ("failed", 2), ("not_examined", 1)] {
            for name in ["order", "paid"] {
                let line = format!(
                    "tealgate_answer_checks_total{{{labels},check=\"{name}\",outcome=\"{outcome}\"}} {count}\n"
                );
                assert!(text.contains(&line), "{text}");
            }
        }
    }

    #[test]
    fn the_number_of_label_sets_is_bounded_and_nothing_is_lost() {
        let all: Vec<CheckCounts> =
            (0..MAX_CHECKS + 7).map(|number| check(&format!("r{number}"), "order")).collect();
        let text = render_checks(&all);
        assert_eq!(text.lines().count(), 2 + 3 * (MAX_CHECKS + 1));
        assert!(text.contains(r#"route="(overflow)",service="",app="",answerer="green",lane="share",check="(other)",outcome="passed"} 21"#));
    }
}
