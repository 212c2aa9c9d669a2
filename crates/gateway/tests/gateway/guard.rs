//! A gateway takes a bad version back by itself, and does not forget it.

use crate::support::{Gate, get, route, settings, upstream_with};
use gateway::Settings;
use model::resource::Kind;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use telemetry::report::{GuardState, GuardTrip};
use testkit::clock::{eventually, within};
use testkit::upstream::{Behaviour, Upstream};

pub(crate) struct Shop {
    pub(crate) blue: Upstream,
    pub(crate) green: Upstream,
    directory: tempfile::TempDir,
}

impl Shop {
    pub(crate) async fn start() -> Shop {
        let (blue, green) = (Upstream::start("blue").await, Upstream::start("green").await);
        Shop { blue, green, directory: tempfile::tempdir().unwrap() }
    }

    fn latches(&self) -> std::path::PathBuf {
        self.directory.path().join("guards")
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { threads: 2, guard_dir: Some(self.latches()), ..settings() }
    }

    /// Green has a share; the preview leads to it, too.
    pub(crate) fn resources(&self, green: u32, guard: Option<Value>) -> Vec<(Kind, Value)> {
        let labels = |colour: &str| json!({"labels": {"tealgate.app": "shop", "tealgate.colour": colour}});
        let preview = json!({"match": [{"vars": [["http_x_preview", "==", "yes"]]}],
            "weighted_upstreams": [{"upstream_id": "green", "weight": 1}]});
        let mut shares = json!({"weighted_upstreams": [
            {"upstream_id": "green", "weight": green}, {"upstream_id": "blue", "weight": 100 - green}]});
        if let Some(guard) = guard {
            shares["tealgate"] = json!({"shuffle": "shop-1", "guard": guard});
        }
        let split = json!({"rules": [preview, shares]});
        vec![
            upstream_with("blue", &[self.blue.address()], &labels("blue")),
            upstream_with("green", &[self.green.address()], &labels("green")),
            (Kind::Service, json!({"id": "s", "upstream_id": "blue", "plugins": {"traffic-split": split}})),
            route(&json!({"service_id": "s"})),
            route(&json!({"id": "other", "uri": "/other", "service_id": "s"})),
        ]
    }

    pub(crate) async fn gate(&self, green: u32, guard: Value) -> Gate {
        Gate::with(self.settings(), &self.resources(green, Some(guard))).await
    }
}

fn guard(id: &str) -> Value {
    json!({
        "id": id, "new": "green", "max_error_ppm": 50_000, "min_requests": 20, "break_ppm": 250_000,
        "false_alarm_one_in": 1_000, "tolerance_percent": 120, "controller_missing": "stay",
        "missing_after_ms": 0, "planned_restart_ms": 600_000,
    })
}

pub(crate) fn state(gate: &Gate, id: &str) -> GuardState {
    let reports = gate.gateway.guards().reports();
    reports.into_iter().rev().find(|report| report.id == id).expect("a guard").state
}

fn trip(gate: &Gate, id: &str) -> Option<GuardTrip> {
    match state(gate, id) {
        GuardState::Tripped { trip } => {
            Some(*trip).filter(|trip| trip.swapped_in_us.is_some() && trip.latched)
        }
        _ => None,
    }
}

fn failing(status: u16) -> Behaviour {
    Behaviour::Status(status.try_into().unwrap())
}

fn colour(answer: &crate::support::Answer) -> String {
    answer.header("x-colour").unwrap_or("none").to_owned()
}

/// Sends requests until the guard has fired; how many the colours have answered in all.
async fn until_tripped(gate: &Gate, id: &str) -> GuardTrip {
    let asking = async {
        loop {
            gate.ask(get("/")).await;
            gate.ask(get("/other")).await;
            if let Some(trip) = trip(gate, id) {
                return trip;
            }
        }
    };
    within("the guard", asking).await
}

pub(crate) async fn all_go_to(gate: &Gate, colour_of: &str) {
    for _ in 0..20 {
        assert_eq!(colour(&gate.ask(get("/")).await), colour_of);
    }
}

fn latch_files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_version_that_breaks_is_gone_at_once_and_the_preview_still_reaches_it() {
    let shop = Shop::start().await;
    let gate = shop.gate(50, guard("g")).await;
    assert_eq!(latch_files(&shop.latches()), ["g.latch"], "made before any traffic");
    assert_eq!(state(&gate, "g"), GuardState::Armed);
    shop.green.behave(failing(500));
    let trip = until_tripped(&gate, "g").await;
    assert!(["break", "errors", "comparison"].contains(&trip.bound.as_str()), "{trip:?}");
    assert!(trip.new.failed >= 5 && trip.old.failed == 0 && trip.found_in_ms.is_some(), "{trip:?}");
    println!("swapped in {:?} us, found in {:?} ms", trip.swapped_in_us, trip.found_in_ms);
    all_go_to(&gate, "blue").await;
    let preview = "GET / HTTP/1.1\r\nHost: h\r\nX-Preview: yes\r\n\r\n";
    assert_eq!(gate.ask(preview).await.status, 500, "whoever asks for it");
    // Another share, written by someone who has not heard of it, changes nothing; nor does another resource.
    gate.apply(&shop.resources(100, Some(guard("g")))).await;
    all_go_to(&gate, "blue").await;
}

#[tokio::test]
async fn a_trip_survives_the_process_and_ends_with_its_rule() {
    let shop = Shop::start().await;
    let gate = shop.gate(100, guard("g")).await;
    shop.green.behave(failing(502));
    until_tripped(&gate, "g").await;
    drop(gate);
    let seen = shop.green.requests().len();
    let gate = shop.gate(100, guard("g")).await;
    all_go_to(&gate, "blue").await;
    assert_eq!(shop.green.requests().len(), seen, "not one more");
    let GuardState::Tripped { trip } = state(&gate, "g") else { panic!("it has tripped") };
    assert!(trip.latched && trip.new.failed > 0, "{trip:?}");
    // Another release.
    shop.green.behave(Behaviour::Echo);
    gate.apply(&shop.resources(100, Some(guard("h")))).await;
    all_go_to(&gate, "green").await;
    assert_eq!(latch_files(&shop.latches()), ["h.latch"]);
    assert!(matches!(state(&gate, "g"), GuardState::Tripped { .. }), "still told of");
    gate.apply(&shop.resources(0, None)).await;
    assert!(latch_files(&shop.latches()).is_empty());
}

#[tokio::test]
async fn nothing_fires_when_the_old_version_fails_alike() {
    let shop = Shop::start().await;
    let gate = shop.gate(50, guard("g")).await;
    for both in [&shop.blue, &shop.green] {
        both.behave(failing(503));
    }
    for _ in 0..60 {
        assert_eq!(gate.ask(get("/")).await.status, 503);
    }
    // The guard has looked at all of these when it has seen what comes next.
    shop.blue.behave(Behaviour::Echo);
    until_tripped(&gate, "g").await;
    let trip = trip(&gate, "g").unwrap();
    assert!(trip.new.requests > 25, "{trip:?}");
}

#[tokio::test]
async fn without_a_place_for_its_latch_the_new_version_gets_nothing() {
    let shop = Shop::start().await;
    std::fs::write(shop.latches(), "a file").unwrap();
    let gate = shop.gate(50, guard("g")).await;
    let GuardState::Refused { why } = state(&gate, "g") else { panic!("it is refused") };
    assert!(why.contains("guards") && why.contains("make room"), "{why}");
    all_go_to(&gate, "blue").await;
}

#[tokio::test]
async fn a_controller_that_stays_away_takes_the_share_back_if_the_rule_says_so() {
    let shop = Shop::start().await;
    let mut reverts = guard("g");
    reverts["controller_missing"] = json!("revert");
    let gate = shop.gate(100, reverts.clone()).await;
    gate.gateway.guards().controller_has(Duration::from_secs(3_600));
    all_go_to(&gate, "green").await;
    gate.gateway.guards().controller_has_left();
    gate.gateway.guards().controller_has_left();
    all_go_to(&gate, "green").await;
    gate.gateway.guards().controller_has(Duration::ZERO);
    eventually("the trip", async || trip(&gate, "g").is_some()).await;
    assert_eq!(trip(&gate, "g").unwrap().bound, "controller");
    all_go_to(&gate, "blue").await;
}

/// The resources with more in the extension of the rule of the shares.
fn extended(shop: &Shop, more: Value) -> Vec<(Kind, Value)> {
    let mut resources = shop.resources(50, Some(guard("g")));
    let extension = &mut resources[2].1["plugins"]["traffic-split"]["rules"][1]["tealgate"];
    for (key, value) in more.as_object().unwrap() {
        extension[key] = value.clone();
    }
    resources
}

#[tokio::test]
async fn users_who_keep_their_version_lose_a_bad_one() {
    let shop = Shop::start().await;
    let sticky = json!({"sticky": {"by": "header", "name": "X-User", "salt": "s"}});
    let gate = Gate::with(shop.settings(), &extended(&shop, sticky)).await;
    let ask = |user: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: {user}\r\n\r\n");
    let mut on_green = Vec::new();
    for user in 0..40 {
        if colour(&gate.ask(ask(user)).await) == "green" {
            on_green.push(user);
        }
    }
    assert!(!on_green.is_empty());
    shop.green.behave(failing(500));
    // Who names nobody is known by the address, and may be on the old version.
    let asking = async {
        while trip(&gate, "g").is_none() {
            for user in &on_green {
                gate.ask(ask(*user)).await;
            }
        }
    };
    within("the guard", asking).await;
    for user in on_green {
        assert_eq!(colour(&gate.ask(ask(user)).await), "blue", "user {user}");
    }
}

#[tokio::test]
async fn requests_that_wait_go_on_to_the_old_version() {
    let shop = Shop::start().await;
    let hold = json!({"hold": {"id": "h", "requests": "writes", "budget_ms": 30_000, "max_requests": 9, "max_bytes": 1_000_000}});
    let gate = Gate::with(shop.settings(), &shop.resources(50, Some(guard("g")))).await;
    gate.apply(&extended(&shop, hold)).await;
    let mut client = gate.client().await;
    client.0.send("POST / HTTP/1.1\r\nHost: h\r\nX-Request-Id: 1\r\nContent-Length: 3\r\n\r\nabc").await;
    let waits = async || gate.gateway.holds().reports().iter().any(|hold| hold.waiting == 1);
    eventually("a request that waits", waits).await;
    shop.green.behave(failing(500));
    until_tripped(&gate, "g").await;
    let answer = client.answer(false).await;
    assert_eq!((answer.status, colour(&answer)), (200, "blue".to_owned()));
}

#[tokio::test]
async fn a_guard_in_the_split_of_a_route_is_refused() {
    let shop = Shop::start().await;
    let mut resources = shop.resources(50, Some(guard("g")));
    let split = resources[2].1["plugins"].clone();
    resources[2].1 = json!({"id": "s", "upstream_id": "blue"});
    resources[3].1["plugins"] = split;
    let gate = Gate::start(shop.settings());
    let applied = gate.apply(&resources).await;
    assert!(applied.problems.iter().any(|problem| problem.what.contains("of a service only")), "{applied:?}");
}

/// Users stay with their version, and are what is compared.
fn by_users(mut resources: Vec<(Kind, Value)>) -> Vec<(Kind, Value)> {
    for (kind, value) in &mut resources {
        if *kind == Kind::Service {
            let extension = value.pointer_mut("/plugins/traffic-split/rules/1/tealgate").unwrap();
            extension["guard"]["by_users"] = json!(true);
            extension["sticky"] = json!({"by": "header", "name": "X-User", "salt": "shop-1"});
            extension.as_object_mut().unwrap().remove("shuffle");
        }
    }
    resources
}

async fn ask_as(gate: &Gate, user: u32) -> crate::support::Answer {
    gate.ask(format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: user-{user}\r\n\r\n")).await
}

#[tokio::test]
async fn where_users_keep_their_version_each_of_them_counts_once() {
    let shop = Shop::start().await;
    let resources = by_users(shop.resources(20, Some(guard("g"))));
    let gate = Gate::with(shop.settings(), &resources).await;
    let (mut on_green, mut on_blue) = (Vec::new(), Vec::new());
    for user in 0..60 {
        let of_colour =
            if colour(&ask_as(&gate, user).await) == "green" { &mut on_green } else { &mut on_blue };
        of_colour.push(user);
    }
    assert!(on_green.len() >= 4 && on_blue.len() >= 20, "{on_green:?}");
    shop.green.behave(failing(500));
    let report =
        || gate.gateway.guards().reports().into_iter().rev().find(|report| report.id == "g").unwrap();
    for _ in 0..100 {
        assert_eq!(ask_as(&gate, on_green[0]).await.status, 500);
        ask_as(&gate, on_blue[0]).await;
    }
    eventually("the one user who fails", async || report().failing_users == Some(1)).await;
    assert_eq!(report().state, GuardState::Armed, "a hundred failures of one user are one");
    let others = async {
        loop {
            for user in on_green.iter().chain(&on_blue) {
                ask_as(&gate, *user).await;
            }
            if let Some(trip) = trip(&gate, "g") {
                return trip;
            }
        }
    };
    let trip = within("the guard", others).await;
    assert!(["break", "errors", "comparison"].contains(&trip.bound.as_str()), "{trip:?}");
    assert!(report().failing_users >= Some(3), "{:?}", report());
    assert_eq!(colour(&ask_as(&gate, on_green[0]).await), "blue");
}

/// A rule that waits for three requests, and not long.
pub(crate) fn impatient(id: &str) -> Value {
    let mut rule = guard(id);
    rule["hang"] = json!({"requests": 3, "after_ms": 300});
    rule
}

/// So many clients, each with one request that nobody waits for.
pub(crate) async fn clients(gate: &Gate, number: usize) -> Vec<crate::support::Client> {
    let mut clients = Vec::new();
    for _ in 0..number {
        let mut client = gate.client().await;
        client.0.send(get("/")).await;
        clients.push(client);
    }
    clients
}

pub(crate) async fn fires(gate: &Gate, id: &str) -> GuardTrip {
    eventually("the guard", async || trip(gate, id).is_some()).await;
    trip(gate, id).unwrap()
}

#[tokio::test]
async fn a_version_that_takes_requests_and_answers_none_is_gone_and_they_wait_on() {
    let shop = Shop::start().await;
    let gate = shop.gate(50, impatient("g")).await;
    shop.green.behave(Behaviour::Held);
    let clients = clients(&gate, 20).await;
    let trip = fires(&gate, "g").await;
    assert_eq!((trip.bound.as_str(), trip.found_in_ms), ("hang", None));
    let words = &trip.evidence[0];
    assert!(words.contains("have no answer") && words.contains("the old version has answered"), "{words}");
    all_go_to(&gate, "blue").await;
    let hung = shop.green.requests().len();
    shop.green.release(hung);
    let mut answers = Vec::new();
    for mut client in clients {
        answers.push(colour(&within("an answer", client.answer(false)).await));
    }
    assert_eq!(answers.iter().filter(|colour| *colour == "green").count(), hung, "{answers:?}");
}

#[tokio::test]
async fn a_version_with_all_of_the_traffic_hangs_when_it_is_more_than_was_usual() {
    let shop = Shop::start().await;
    let gate = Gate::with(shop.settings(), &shop.resources(0, None)).await;
    // Three without an answer are to be a tenth of what is known at most.
    all_go_to(&gate, "blue").await;
    all_go_to(&gate, "blue").await;
    shop.green.behave(Behaviour::Held);
    gate.apply(&shop.resources(100, Some(impatient("g")))).await;
    let _waiting = clients(&gate, 5).await;
    assert_eq!(fires(&gate, "g").await.bound, "hang");
    all_go_to(&gate, "blue").await;
}

#[tokio::test]
async fn where_everybody_waits_or_waiting_is_usual_nothing_hangs() {
    let [both, usual, last] = [Shop::start().await, Shop::start().await, Shop::start().await];
    let other = Shop::start().await;
    let waits = Gate::with(usual.settings(), &usual.resources(0, None)).await;
    let [alike, hung] = [both.gate(50, impatient("g")).await, last.gate(50, impatient("g")).await];
    for held in [&both.blue, &both.green, &usual.blue, &usual.green, &last.green, &other.green] {
        held.behave(Behaviour::Held);
    }
    // Before: answers take longer than something else that hangs.
    let polls = clients(&waits, 5).await;
    eventually("what is slow", async || usual.blue.requests().len() == 5).await;
    let mut kept = vec![clients(&hung, 20).await];
    fires(&hung, "g").await;
    usual.blue.release(5);
    for mut client in polls {
        within("an answer", client.answer(false)).await;
    }
    let mut sooner = impatient("g");
    sooner["hang"]["after_ms"] = json!(200);
    waits.apply(&usual.resources(100, Some(sooner))).await;
    kept.push(clients(&waits, 20).await);
    kept.push(clients(&alike, 20).await);
    let asked = || [&both.blue, &both.green, &usual.green].map(|one| one.requests().len());
    eventually("all", async || asked().iter().sum::<usize>() == 40).await;
    assert!(asked().iter().all(|asked| *asked >= 3), "{:?}", asked());
    // Whoever is asked last has hung for long enough, so the others would have.
    let hung = other.gate(50, impatient("g")).await;
    kept.push(clients(&hung, 20).await);
    assert_eq!(fires(&hung, "g").await.bound, "hang");
    for gate in [&waits, &alike] {
        assert_eq!(state(gate, "g"), GuardState::Armed);
    }
}

#[tokio::test]
async fn a_version_whose_nodes_are_all_down_is_gone_before_anybody_asks_it() {
    let shop = Shop::start().await;
    let mut resources = shop.resources(50, Some(guard("g")));
    // Nobody listens there. With one node there is no choice, so nothing is checked (APISIX).
    resources[1].1["nodes"] = json!({"127.0.0.1:1": 1, "127.0.0.1:2": 1});
    for colour in &mut resources[..2] {
        colour.1["checks"] = json!({"active": {"healthy": {"interval": 0.05, "successes": 1},
            "unhealthy": {"interval": 0.05, "tcp_failures": 1}}});
    }
    let gate = Gate::with(shop.settings(), &resources).await;
    assert_eq!(fires(&gate, "g").await.bound, "nodes");
    all_go_to(&gate, "blue").await;
}
