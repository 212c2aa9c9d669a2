//! The load gate.

use super::{context, instance, run};
use async_trait::async_trait;
use model::colour::Colour;
use release::gate::{GateContext, GateOutcome, LiveSide, LiveUsers, Progress, Verdict};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::counts::Counts;
use tempfile::TempDir;
use testkit::clock::hog;
use testkit::service::{Answer, Asked, Service};

const QUICK: Answer = Answer::Later(Duration::from_millis(10));

/// Users whose answers go wrong while a flag says so.
#[derive(Debug, Default)]
struct Users {
    good: AtomicU64,
    bad: AtomicU64,
}

#[async_trait]
impl LiveUsers for Users {
    async fn counts(&self) -> Option<Counts> {
        let [good, bad] = [&self.good, &self.bad].map(|count| count.load(Ordering::SeqCst));
        let mut counts = Counts { received: good + bad, ..Counts::default() };
        counts.whole = [0, good, 0, 0, bad];
        Some(counts)
    }
}

/// Version 1 with users in blue, version 2 in green.
struct World {
    live: Service,
    new: Service,
    users: Arc<Users>,
    told: Arc<Mutex<Vec<String>>>,
    directory: TempDir,
}

impl World {
    async fn new() -> World {
        World {
            live: Service::start(|_| QUICK).await,
            new: Service::start(|_| QUICK).await,
            users: Arc::default(),
            told: Arc::default(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn context(&self) -> GateContext {
        let told = Arc::clone(&self.told);
        GateContext {
            instances: vec![instance(self.new.address())],
            host: Some("shop.example".to_owned()),
            live: Some(LiveSide {
                colour: Colour::Blue,
                version: "v1".to_owned(),
                scheme: "http".to_owned(),
                instances: vec![instance(self.live.address())],
                users: Arc::clone(&self.users) as _,
            }),
            progress: Progress::to(move |text| told.lock().unwrap().push(text.to_owned())),
            ..context(&self.directory)
        }
    }

    /// Runs a short load, changed in some fields.
    async fn run(&self, changes: Value) -> GateOutcome {
        run(check(changes), &self.context()).await
    }
}

fn check(changes: Value) -> Value {
    let mut load = json!({
        "rate_per_second": 100, "duration_ms": 1_500, "warm_up_ms": 500, "users_before_ms": 0,
        "min_answers": 50, "max_lag_ms": 2_000, "requests": [{"path": "/cart", "weight": 3}, {"path": "/help"}],
    });
    load.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!({ "load": load })
}

/// Answers well, and otherwise every so often.
fn every(number: u64, otherwise: Answer) -> impl Fn(&Asked) -> Answer + Send + Sync {
    let count = AtomicU64::new(0);
    move |_| {
        if (count.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(number) {
            otherwise.clone()
        } else {
            QUICK
        }
    }
}

/// Answers well so many times, and then otherwise.
fn after(times: u64, otherwise: Answer) -> impl Fn(&Asked) -> Answer + Send + Sync {
    let count = AtomicU64::new(0);
    move |_| if count.fetch_add(1, Ordering::SeqCst) >= times { otherwise.clone() } else { QUICK }
}

/// Answers otherwise so many times, and then well.
fn before(times: u64, otherwise: Answer) -> impl Fn(&Asked) -> Answer + Send + Sync {
    let count = AtomicU64::new(0);
    move |_| if count.fetch_add(1, Ordering::SeqCst) < times { otherwise.clone() } else { QUICK }
}

fn has(outcome: &GateOutcome, text: &str) -> bool {
    outcome.evidence.iter().any(|line| line.contains(text))
}

#[tokio::test]
async fn a_version_that_is_as_good_passes_and_both_were_asked_the_same() {
    let world = World::new().await;
    let outcome = world.run(json!({"live_rate_per_second": 50})).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:#?}");
    assert!(outcome.summary.starts_with("100/s: green v2 0 of 200 failed, p99 "), "{}", outcome.summary);
    assert!(outcome.summary.contains("; blue v1 0 of 100 failed, p99 "), "{}", outcome.summary);
    for text in [
        "(200: 200)",
        "failures: 0 of ",
        "slow by the live p99",
        "generator: p50 ",
        "points would have been found",
        "none before the load",
    ] {
        assert!(has(&outcome, text), "{text}: {outcome:#?}");
    }
    for (service, times) in [(&world.new, 200), (&world.live, 100)] {
        let asked = service.asked();
        assert_eq!(asked.len(), times);
        let carts = asked.iter().filter(|asked| asked.target == "/cart").count();
        assert!(carts.abs_diff(times * 3 / 4) <= 5, "{carts} of {times}");
        assert!(asked.iter().all(|asked| asked.header("x-tealgate-load") == "r7"));
        assert!(asked.iter().all(|asked| asked.header("host") == "shop.example"));
    }
    let told = world.told.lock().unwrap();
    let last = told.last().unwrap();
    assert!(told.first().unwrap().starts_with("warm-up, 0 of 2 s, 100/s: green "), "{told:?}");
    assert!(last.starts_with("measures, 1 of 2 s, 100/s: green ") && last.contains("; blue "), "{told:?}");
}

#[tokio::test]
async fn recorded_requests_are_sent_as_often_as_they_came_to_the_hosts_they_came_to() {
    let world = World::new().await;
    let line = |path: &str, host: &str, service: &str| {
        let line = json!({
            "time": "2026-11-21T11:00:00.000001Z", "service": service, "answerer": "blue", "lane": "share",
            "status": 200, "method": "GET", "host": host, "path": path, "query": "page=1",
        });
        format!("{line}\n")
    };
    let often = line("/cart", "shop.example", "shop").repeat(30);
    let log = [often, line("/a b", "b.shop.example", "shop").repeat(10), line("/", "blog.example", "blog")];
    std::fs::write(world.directory.path().join("access.log"), log.concat()).unwrap();
    let outcome = world.run(json!({"requests": [], "replay": {"access_log": "access.log"}})).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:#?}");
    assert!(has(&outcome, ": 40 of 40 requests that fit, evenly spread, 2 different ones"), "{outcome:#?}");
    assert!(has(&outcome, "left out of 41 recorded requests: 1 of other services"), "{outcome:#?}");
    for service in [&world.new, &world.live] {
        let asked = service.asked();
        let carts = asked.iter().filter(|asked| asked.target == "/cart?page=1").count();
        assert!(carts.abs_diff(asked.len() * 3 / 4) <= 5, "{carts} of {}", asked.len());
        let other = asked.iter().find(|asked| asked.target == "/a%20b?page=1").unwrap();
        assert_eq!((other.header("host"), other.header("x-tealgate-load")), ("b.shop.example", "r7"));
    }
}

#[tokio::test]
async fn one_in_five_failing_fails_the_gate_and_ends_the_load_early() {
    let world = World::new().await;
    world.new.answer(every(5, Answer::status(500)));
    let outcome = world.run(json!({"duration_ms": 20_000})).await;
    assert_eq!(outcome.verdict, Verdict::Fail, "{outcome:#?}");
    assert!(outcome.summary.starts_with("green v2 fails more often: "), "{}", outcome.summary);
    assert!(world.new.asked().len() < 1_000, "{}", world.new.asked().len());
}

#[tokio::test]
async fn five_times_slower_fails_the_gate_however_slow_the_live_version_was_in_the_warm_up() {
    let world = World::new().await;
    world.live.answer(before(50, Answer::Later(Duration::from_millis(300))));
    world.new.answer(|_| Answer::Later(Duration::from_millis(50)));
    let outcome = world.run(json!({"duration_ms": 20_000})).await;
    assert_eq!(outcome.verdict, Verdict::Fail, "{outcome:#?}");
    assert!(outcome.summary.starts_with("green v2 is slower (p"), "{}", outcome.summary);
}

#[tokio::test]
async fn a_version_that_hangs_fails_the_gate() {
    let world = World::new().await;
    world.new.answer(after(60, Answer::Never));
    let outcome = world.run(json!({"duration_ms": 20_000, "request_timeout_ms": 400})).await;
    assert_eq!(outcome.verdict, Verdict::Fail, "{outcome:#?}");
    assert!(has(&outcome, "timed out: ") || outcome.summary.contains("is slower"), "{outcome:#?}");
}

#[tokio::test]
async fn a_generator_that_cannot_keep_the_rate_says_nothing_about_the_version() {
    let world = World::new().await;
    let count = AtomicU64::new(0);
    world.new.answer(move |_| {
        // Server and generator share the thread, so this stops both.
        if count.fetch_add(1, Ordering::SeqCst) == 100 {
            hog(Duration::from_millis(500));
        }
        QUICK
    });
    let outcome = world.run(json!({"max_lag_ms": 50})).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:#?}");
    assert!(!outcome.did_harm);
    assert!(outcome.summary.contains("could not keep the rate of 100/s"), "{}", outcome.summary);
}

#[tokio::test]
async fn the_load_stops_at_once_when_the_live_version_begins_to_fail_or_to_hang() {
    for (trouble, words) in [
        (Answer::status(503), "of its own answers to the load "),
        (Answer::Never, "it has not answered a request for "),
    ] {
        let world = World::new().await;
        world.live.answer(after(100, trouble));
        let outcome = world.run(json!({"duration_ms": 3_600_000, "request_timeout_ms": 60_000})).await;
        assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:#?}");
        assert!(outcome.summary.starts_with("the load was stopped for the live version: "), "{outcome:#?}");
        assert!(outcome.summary.contains(words), "{}", outcome.summary);
        assert!(outcome.did_harm, "it is not run again by itself");
        assert!(world.live.asked().len() < 600, "{}", world.live.asked().len());
    }
}

#[tokio::test]
async fn the_load_stops_at_once_when_the_live_versions_users_suffer() {
    let world = World::new().await;
    world.users.good.store(500, Ordering::SeqCst);
    let (users, count) = (Arc::clone(&world.users), AtomicU64::new(0));
    world.live.answer(move |_| {
        let bad = count.fetch_add(1, Ordering::SeqCst) > 100;
        if bad { &users.bad } else { &users.good }.fetch_add(1, Ordering::SeqCst);
        QUICK
    });
    let outcome = world.run(json!({"duration_ms": 3_600_000})).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:#?}");
    assert!(outcome.summary.contains("of its users failed in the last second"), "{}", outcome.summary);
    assert!(has(&outcome, "users of the live version: before 500 requests, 0 failed"), "{outcome:#?}");
    assert!(world.live.asked().len() < 400, "{}", world.live.asked().len());
}

#[tokio::test]
async fn a_first_release_has_nothing_to_be_compared_with_and_is_held_to_the_limits() {
    let world = World::new().await;
    let alone = GateContext { live: None, ..world.context() };
    let outcome = run(check(json!({})), &alone).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:#?}");
    assert!(outcome.summary.ends_with("nothing is live to compare with"), "{}", outcome.summary);
    let outcome = run(check(json!({"max_p99_ms": 5})), &alone).await;
    assert_eq!(outcome.verdict, Verdict::Fail, "{outcome:#?}");
    assert!(outcome.summary.contains("breaks a limit: p99 is "), "{}", outcome.summary);
    world.new.answer(|_| Answer::status(500));
    let asked = world.new.asked().len();
    let outcome = run(check(json!({"duration_ms": 3_600_000})), &alone).await;
    assert_eq!(outcome.verdict, Verdict::Fail, "{outcome:#?}");
    assert!(
        world.new.asked().len() - asked < 200,
        "a version that answers nothing right is not asked for long"
    );
}

#[tokio::test]
async fn what_could_not_be_found_out_is_inconclusive_and_says_why() {
    let world = World::new().await;
    let live = world.context().live.unwrap();
    for (context, why) in [
        (
            GateContext { scheme: "https".to_owned(), ..world.context() },
            "https is not supported by load gates",
        ),
        (GateContext { instances: vec![], ..world.context() }, "the new version: no instance is known"),
        (
            GateContext { live: Some(LiveSide { instances: vec![], ..live }), ..world.context() },
            "the live version: no instance is known",
        ),
        (GateContext { timeout_ms: 700, ..world.context() }, "did not end within 700 ms"),
    ] {
        let outcome = run(check(json!({})), &context).await;
        assert_eq!(outcome.verdict, Verdict::Inconclusive, "{outcome:#?}");
        assert!(outcome.summary.contains(why), "{}", outcome.summary);
    }
    let outcome = world.run(json!({"min_answers": 200})).await;
    assert!(outcome.summary.contains("200 are needed for a verdict"), "{}", outcome.summary);
}

#[tokio::test]
async fn secrets_are_sent_and_in_no_evidence() {
    let world = World::new().await;
    std::fs::write(world.directory.path().join("token"), "Bearer s3cret-token").unwrap();
    let requests =
        json!([{"path": "/?key=s3cret-key", "headers": {"Authorization": {"from_file": "token"}}}]);
    let outcome = world.run(json!({ "requests": requests })).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:#?}");
    assert!(world.new.asked().iter().all(|asked| asked.header("authorization") == "Bearer s3cret-token"));
    let shown = format!("{outcome:?}{:?}", world.told);
    assert!(!shown.contains("s3cret"), "{shown}");
    let outcome =
        world.run(json!({"requests": [{"path": "/", "headers": {"A": {"from_file": "none"}}}]})).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(outcome.summary.starts_with("no load was sent: GET /: header A: "), "{}", outcome.summary);
}
