//! The simulation of `examples/simulate`, shortened: what docs/judge.md promises holds, with the same seeds every time.
#![allow(dead_code, unreachable_pub, reason = "the example uses the rest of its modules")]

#[path = "../examples/simulate/alarms.rs"]
mod alarms;
#[path = "../examples/simulate/chance.rs"]
mod chance;
#[path = "../examples/simulate/detection.rs"]
mod detection;
#[path = "../examples/simulate/latency.rs"]
mod latency;
#[path = "../examples/simulate/stalls.rs"]
mod stalls;
#[path = "../examples/simulate/traffic.rs"]
mod traffic;

use alarms::{Kind, Mistake};
use detection::{Worse, mean, quantile};
use latency::Slower;
use stalls::{Law, Stalling};

#[test]
fn one_percent_of_failures_against_a_tenth_is_found_within_ten_seconds_and_ten_failures() {
    let worse = Worse { rps: 1_000.0, percent: 10, blue: 0.001, green: 0.01 };
    let found = worse.play_all(41, 120_000);
    assert_eq!(found.len(), 41);
    let seconds = quantile(found.iter().map(|found| found.after_ms as f64 / 1_000.0).collect(), 0.5);
    let failed = quantile(found.iter().map(|found| found.failed as f64).collect(), 0.5);
    assert!(seconds <= 10.0 && failed <= 10.0, "{seconds} s, {failed} failed");
}

#[test]
fn half_of_twenty_requests_per_second_failing_is_found_within_a_second() {
    let found = Worse { rps: 200.0, percent: 10, blue: 0.001, green: 0.5 }.play_all(200, 10_000);
    let after = quantile(found.iter().map(|found| found.after_first_failure_ms as f64).collect(), 0.95);
    assert!(found.len() == 200 && after <= 900.0, "{after} ms");
}

#[test]
fn few_more_requests_fail_than_a_test_needs_that_knows_the_rates() {
    for lift in [2.0, 3.0, 5.0, 10.0, 20.0, 50.0] {
        let worse = Worse { rps: 1_000.0, percent: 10, blue: 0.005, green: 0.005 * lift };
        let found = worse.play_all(40, 600_000);
        let failed: Vec<f64> = found.iter().map(|found| found.failed as f64).collect();
        assert_eq!(failed.len(), 40);
        assert!(mean(&failed) <= 1.5 * worse.wald(), "{lift}: {} of {}", mean(&failed), worse.wald());
    }
}

#[test]
fn half_as_slow_again_is_found_within_a_minute() {
    for (slower, most) in [(Slower::All, 0), (Slower::Tail, 4)] {
        let late = (0..40).filter(|seed| latency::play(slower, 200.0, 10, *seed, 60_000).is_none()).count();
        assert!(late <= most, "{slower:?}: {late} of 40 were not found");
    }
}

#[test]
fn good_versions_are_blamed_no_more_often_than_promised() {
    let mut blamed = [0; 2];
    for kind in Kind::ALL {
        for seed in 0..20 {
            let alarms = alarms::play(kind, Mistake::None, seed, 8, 300.0);
            blamed.iter_mut().zip(alarms.judge).for_each(|(count, alarm)| *count += u32::from(alarm));
        }
    }
    let [strict, lax] = blamed;
    assert!(strict == 0 && lax <= 10, "of 200: {strict} at 0.1 %, {lax} at 5 %");
}

#[test]
fn versions_that_stall_each_for_itself_are_blamed_no_more_often_than_promised() {
    let (mut releases, mut by_requests, mut judge) = (0, 0, [0; 2]);
    for (law, _) in Law::COVERED {
        for (rps, percent) in [(200.0, 10), (200.0, 50), (600.0, 1), (600.0, 10)] {
            for seed in 0..4 {
                let blamed = Stalling { law, rps, percent, fails: false }.play(seed, 30);
                releases += 1;
                by_requests += u32::from(blamed.by_requests[0]);
                judge.iter_mut().zip(blamed.judge).for_each(|(sum, blamed)| *sum += u32::from(blamed));
            }
        }
    }
    let [strict, lax] = judge;
    assert!(strict == 0 && lax <= 4, "of {releases}: {strict} at 0.1 %, {lax} at 5 %");
    assert!(by_requests >= 12, "each request counted, only {by_requests} of {releases} would be blamed");
}

#[test]
fn the_simulation_would_notice_a_promise_that_is_broken() {
    let blamed =
        |kind, mistake| (0..20).filter(|seed| alarms::play(kind, mistake, *seed, 8, 300.0).judge[0]).count();
    assert!(blamed(Kind::Sticky, Mistake::RequestsOfUsers) >= 2);
    let ordered = blamed(Kind::Alternating, Mistake::FixedOrder);
    assert!(ordered >= 15, "{ordered} of 20");
}
