use super::page;
use crate::notify::tests::planned;
use crate::report::{Course, Evidence, MAX_POINTS, Point, Report, Slice};
use proptest::prelude::*;
use serde_json::{Value, json};

const HOSTILE: &str = "</pre></script><script>alert(1)</script><img src=x onerror='y' \"z\">";

/// A report with `text` wherever a text of somebody's can stand.
fn report(text: &str, outcome: Value) -> Report {
    let mut plan = planned();
    plan.notes = vec![text.to_owned()];
    let lead = &mut plan.components[0];
    lead.new.version = text.to_owned();
    lead.old.as_mut().unwrap().version = text.to_owned();
    let gate = json!({"name": text, "when": text, "verdict": "fail", "runs": 2, "summary": text, "evidence": [text, text], "shadow": shadow(text)});
    let span = |phase: &str, from: i64, to: Option<i64>| json!({"phase": phase, "began_at_ms": from, "ended_at_ms": to});
    let moved = |kind: &str, share: u8, at: i64, took: Option<u64>| json!({"action": text, "kind": kind, "share": share, "intended_at_ms": at, "revision": 1, "took_ms": took});
    let failure = json!({"at_us": 20_000_000, "route": text, "answerer": "green", "epoch": 7, "ending": "whole", "status": 500,
        "upstream_status": 502, "upstream": text, "method": text, "target": text, "total_us": 1_000});
    let unsent = json!({"id": text, "event": "done", "why": text});
    let receiver = json!({"name": text, "to": text, "delivered": 1, "waiting": 2, "given_up": 1, "unsent": [unsent], "trouble": text});
    let report = json!({
        "release": text, "app": text, "version": text, "started_by": text, "started_at_ms": 10_000,
        "decided_at_ms": 40_000, "outcome": outcome, "why": text, "plan": plan,
        "phases": [span("provision", 10_000, Some(12_000)), span(text, 12_000, Some(30_000)), span("revert", 30_000, None)],
        "moves": [moved("share", 10, 15_000, Some(12)), moved("restore", 0, 30_000, None)],
        "holds": [{"id": text, "gateways": [text], "in_time": false, "waited": 3, "left": 1, "passed": 1, "p50_ms": 1.0, "p99_ms": 2.0, "longest_ms": 3.0}],
        "timeline": [{"at_ms": 10_000, "actor": text, "what": text}],
        "gates": [gate], "counts": null, "ledger": crate::report::Ledger { received: 9, green: 9, ..Default::default() },
        "evidence": [evidence(text)], "checks": [check(text)],
        "gaps": [text], "notifications": [receiver], "log_lines": [text], "failures": [failure],
    });
    serde_json::from_value(report).unwrap()
}

/// The account of a shadow gate.
fn shadow(text: &str) -> Value {
    let group = |pairs: u64, noise: bool| {
        json!({"kind": "body", "place": text, "what": text, "pairs": pairs, "itself": 0, "noise": noise,
            "examples": [{"method": text, "path": text, "values": text}]})
    };
    let mut found = serde_json::to_value(crate::report::ShadowSummary::default()).unwrap();
    found["gateways"] = json!([text]);
    found["differences"] = json!([group(1_200, false), group(7, true)]);
    found
}

/// What a check has said.
fn check(text: &str) -> Value {
    let of = |colour: &str| json!({"colour": colour, "version": text, "passed": 7, "failed": 2, "not_examined": 3, "why": {"compressed": 3}});
    json!({"name": text, "old": of("blue"), "new": of("green")})
}

/// What somebody has proven.
fn evidence(text: &str) -> Evidence {
    let mut proven = crate::report::evidence::tests::evidence(text, 5_000.0, 2_000.0);
    proven.finding.check = text.to_owned();
    proven.finding.words = text.to_owned();
    proven
}

fn point(at_ms: i64, requests: u64, failed: u64) -> Point {
    let slice = Slice { requests, failed, p50_us: Some(900), p99_us: Some(4_000) };
    Point {
        at_ms,
        ms: 1_000,
        share: 10,
        blue: slice,
        green: Slice { failed: 0, ..slice },
        ..Point::default()
    }
}

#[test]
fn no_text_of_anybodys_is_read_as_markup() {
    let html = page(&report(HOSTILE, json!("rolled_back")));
    for part in ["<script", "<img", "onerror='", "\"z\""] {
        assert!(!html.contains(part), "{part} in {html}");
    }
    let times = html.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count();
    assert!(times > 25, "each of them is shown: {times}");
}

#[test]
fn a_page_needs_nothing_else() {
    let html = page(&report("x", json!("promoted")));
    for part in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(part), "{part}");
    }
    assert!(html.contains("default-src 'none'") && html.contains("prefers-color-scheme: dark"));
    assert!(html.contains("@media print"));
}

#[test]
fn the_plots_show_both_colours_the_phases_and_the_moves() {
    let mut report = report("v", json!("rolled_back"));
    let points: Vec<Point> = (11..40).map(|second| point(second * 1_000, 50, 5)).collect();
    report.course.extend(&points);
    let html = page(&report);
    // Three lines of each colour and its area.
    for (class, times) in [("line blue", 4), ("line green", 4), ("area blue", 1), ("area green", 1)] {
        assert_eq!(html.matches(&format!(r#"class="{class}"#)).count(), times, "{class}");
    }
    assert!(
        html.contains("<title>10 %, in 12 ms</title>")
            && html.contains("<title>back, not seen everywhere</title>")
    );
    assert!(html.contains("<title>provision</title>"));
}

#[test]
fn a_trip_of_a_guard_stands_in_the_plots_and_before_what_the_controller_did_later() {
    let mut report = report("v", json!("rolled_back"));
    report.course.extend(&[point(12_000, 50, 5)]);
    report.moves[1].took_ms = Some(800);
    let trip = |gateway: &str, at_ms: i64, swapped_in_us: u64| {
        let trip = json!({"bound": "break", "evidence": ["5 of 9"], "at_ms": at_ms, "old": {"requests": 9, "failed": 0},
            "new": {"requests": 9, "failed": 5}, "swapped_in_us": swapped_in_us, "latched": true});
        serde_json::from_value(json!({"id": "shop-1", "gateway": gateway, "trip": trip})).unwrap()
    };
    report.guards = vec![trip("gw-1", 29_900, 1_400), trip("gw-2", 29_950, 2_100)];
    let html = page(&report);
    for part in [
        "<title>the guard in gw-1 fires, all traffic back 1.40 ms later</title>",
        "<b class=\"\">2.10 ms</b><span>until all traffic was back in the gateway that fired</span>",
        "<b class=\"\">800 ms</b><span>until the controller had put back all, everywhere</span>",
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    assert_eq!(html.matches(">guard</text>").count(), 1, "two at the same place are one label");
    report.guards = vec![trip("gw-1", 9_999_999, 1_400)];
    assert!(!page(&report).contains("<title>the guard"), "a clock that is wrong");
}

#[test]
fn a_release_without_anything_has_a_page() {
    let mut report = report("v", Value::Null);
    (report.plan, report.why, report.decided_at_ms) = (None, None, None);
    report.phases.clear();
    report.moves.clear();
    report.timeline.clear();
    assert!(page(&report).contains("in flight"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_was_counted_stays_inside_the_plots(
        points in prop::collection::vec((0i64..100_000, 0u64..60_000, 0u64..u64::MAX / 1_000, 0u64..1_000), 0..700)
    ) {
        let mut report = report("v", json!("promoted"));
        let mut course = Course::default();
        for (at_ms, ms, requests, failed) in points {
            course.extend(&[Point { ms, ..point(at_ms, requests, failed) }]);
        }
        prop_assert!(course.points().len() <= MAX_POINTS);
        report.course = course;
        let html = page(&report);
        prop_assert!(!html.contains("NaN") && !html.contains("inf "));
        for place in html.split("d=\"M").skip(1) {
            let path = place.split('"').next().unwrap_or_default();
            for number in path.split(['L', 'M', 'Z', ' ']).filter(|text| !text.is_empty()) {
                let number: f64 = number.parse().unwrap();
                prop_assert!((0.0..=1_000.0).contains(&number), "{number}");
            }
        }
    }
}

#[test]
fn the_evidence_is_drawn_over_time_with_the_moment_of_proof_and_without_any_there_is_no_plot() {
    let mut report = report("judge", json!("rolled_back"));
    let strong =
        |second: i64| Point { judge: u16::try_from(4 * second).ok(), ..point(second * 1_000, 50, 5) };
    report.course.extend(&(11..40).map(strong).collect::<Vec<_>>());
    let html = page(&report);
    for part in [
        r#"class="evidence judge""#,
        r#"class="proof""#,
        r#"class="proven""#,
        "9 of 100 (9 %)",
        ">5000<",
        ">2000<",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains(r#"class="evidence guard""#));
    report.course = Course::default();
    report.course.extend(&[point(12_000, 50, 5)]);
    assert!(!page(&report).contains(r#"class="proof""#));
}
