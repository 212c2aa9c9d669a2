//! Users stay with their colour: by header, by address, by a cookie that the gate issues.

use crate::support::{Answer, Gate, get, route, settings, upstream};
use gateway::Settings;
use model::resource::Kind;
use serde_json::{Value, json};
use testkit::upstream::Upstream;

struct Two {
    a: Upstream,
    b: Upstream,
}

impl Two {
    async fn start() -> Two {
        Two { a: Upstream::start("a").await, b: Upstream::start("b").await }
    }

    /// `a` has this share, percent.
    fn resources(&self, share: u32, extension: &Value) -> Vec<(Kind, Value)> {
        let rule = json!({"tealgate": extension, "weighted_upstreams": [
            {"upstream_id": "a", "weight": share}, {"upstream_id": "b", "weight": 100 - share}]});
        vec![
            upstream("a", &[self.a.address()]),
            upstream("b", &[self.b.address()]),
            route(&json!({"upstream_id": "b", "plugins": {"traffic-split": {"rules": [rule]}}})),
        ]
    }
}

fn by_cookie() -> Value {
    json!({"sticky": {"by": "cookie", "name": "c", "salt": "shop-7", "max_age_s": 60}})
}

fn colour(answer: &Answer) -> &str {
    answer.header("x-colour").unwrap_or_else(|| panic!("{answer:?}"))
}

fn asking(header: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{header}\r\n\r\n")
}

/// `c=VALUE` of an answer's `Set-Cookie`.
fn issued(answer: &Answer) -> Option<String> {
    let cookie = answer.header("set-cookie")?;
    assert!(cookie.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"), "{cookie}");
    Some(cookie.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_user_with_a_cookie_moves_once_and_goes_back_with_everyone() {
    let two = Two::start().await;
    let gate = Gate::with(Settings { threads: 2, ..settings() }, &two.resources(10, &by_cookie())).await;
    let mut users = Vec::new();
    for _ in 0..60 {
        let answer = gate.ask(get("/")).await;
        users.push((issued(&answer).expect("a cookie"), vec![colour(&answer).to_owned()]));
    }
    for share in [10, 50, 90] {
        gate.apply(&two.resources(share, &by_cookie())).await;
        for (cookie, colours) in &mut users {
            let answer = gate.ask(asking(&format!("Cookie: x=y; {cookie}"))).await;
            assert_eq!(issued(&answer), None, "it has one");
            colours.push(colour(&answer).to_owned());
        }
    }
    for (_, colours) in &users {
        assert!(colours.windows(2).all(|pair| pair[0] == pair[1] || pair[1] == "a"), "{colours:?}");
    }
    let on_a = |step: usize| users.iter().filter(|(_, colours)| colours[step] == "a").count();
    assert!(on_a(0) >= 1 && on_a(0) == on_a(1) && on_a(1) < on_a(2) && on_a(2) < on_a(3));
    gate.apply(&two.resources(0, &by_cookie())).await;
    for (cookie, _) in &users {
        assert_eq!(colour(&gate.ask(asking(&format!("Cookie: {cookie}"))).await), "b");
    }
}

#[tokio::test]
async fn a_cookie_that_nobody_signed_decides_nothing() {
    let two = Two::start().await;
    let gate = Gate::with(settings(), &two.resources(1, &by_cookie())).await;
    let zero = "A".repeat(32);
    let mut on_a = 0;
    for _ in 0..50 {
        let answer = gate.ask(asking(&format!("Cookie: c={zero}"))).await;
        assert!(issued(&answer).is_some(), "it gets a true one instead");
        on_a += usize::from(colour(&answer) == "a");
    }
    assert!(on_a <= 2, "{on_a} of 50 at 1 %: the point 0 was not believed");
}

#[tokio::test]
async fn an_answer_of_the_gate_itself_carries_no_cookie() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rule = json!({"tealgate": by_cookie(), "weighted_upstreams": [
        {"upstream_id": "a", "weight": 1}, {"upstream_id": "b", "weight": 1}]});
    let resources = [
        upstream("a", &[closed]),
        upstream("b", &[closed]),
        route(&json!({"plugins": {"traffic-split": {"rules": [rule]}}})),
    ];
    let answer = Gate::with(settings(), &resources).await.ask(get("/")).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (502, None));
}

#[tokio::test]
async fn a_header_decides_and_without_it_the_address() {
    let two = Two::start().await;
    let extension = json!({"sticky": {"by": "header", "name": "X-User", "salt": "shop-7"}});
    let gate = Gate::with(settings(), &two.resources(50, &extension)).await;
    let mut seen = Vec::new();
    for user in 0..20 {
        let mut colours = Vec::new();
        for _ in 0..3 {
            let answer = gate.ask(asking(&format!("X-User: user-{user}"))).await;
            assert_eq!(answer.header("set-cookie"), None);
            colours.push(colour(&answer).to_owned());
        }
        colours.dedup();
        assert_eq!(colours.len(), 1, "user {user}");
        seen.extend(colours);
    }
    assert!(seen.contains(&"a".to_owned()) && seen.contains(&"b".to_owned()));
    let mut without = Vec::new();
    for _ in 0..5 {
        without.push(colour(&gate.ask(get("/")).await).to_owned());
    }
    without.dedup();
    assert_eq!(without.len(), 1, "one address, one colour");
}

#[tokio::test]
async fn a_shuffled_cycle_is_exact_and_an_extension_of_another_version_is_told_and_left_out() {
    let two = Two::start().await;
    let gate = Gate::with(settings(), &two.resources(20, &json!({"shuffle": "shop-7"}))).await;
    let mut client = gate.client().await;
    for _ in 0..2 {
        let mut on_a = 0;
        // Of 20 to 80 a whole cycle is one to four.
        for _ in 0..5 {
            on_a += usize::from(colour(&client.ask(get("/")).await) == "a");
        }
        assert_eq!(on_a, 1);
    }
    let problems = gate.apply(&two.resources(20, &json!({"shuffel": 1}))).await.problems;
    assert!(problems[0].what.contains("shuffel"), "{problems:?}");
    assert_eq!(client.ask(get("/")).await.status, 200, "the route is in service");
}

#[tokio::test]
async fn a_stale_cookie_of_the_same_name_before_the_valid_one_takes_nobody_their_colour() {
    let two = Two::start().await;
    let gate = Gate::with(settings(), &two.resources(50, &by_cookie())).await;
    for _ in 0..4 {
        let first = gate.ask(get("/")).await;
        let cookie = issued(&first).expect("a cookie");
        for asked in
            [format!("Cookie: c=stale; {cookie}"), format!("Cookie: c=stale\r\nCookie: x=y; {cookie}")]
        {
            let answer = gate.ask(asking(&asked)).await;
            assert_eq!((issued(&answer), colour(&answer)), (None, colour(&first)), "{asked}");
        }
    }
}
