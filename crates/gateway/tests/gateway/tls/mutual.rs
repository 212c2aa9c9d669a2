//! Client certificates: who must show one, which is good, and what a connection that showed one opens.

use super::World;
use super::client::Manner;
use super::issuer::{Authority, asking};
use serde_json::json;
use tokio_rustls::rustls::version;

/// A server's authority and a clients'.
fn authorities() -> (Authority, Authority) {
    (Authority::new("servers"), Authority::new("clients"))
}

#[tokio::test]
async fn only_a_client_with_a_good_certificate_gets_in() {
    let (servers, clients) = authorities();
    let issued = servers.server(&["a.test"]);
    let world = World::new(&[asking(issued.ssl("a", &["a.test"]), &clients, &json!({}))]).await;
    let good = clients.client("good");
    let stranger = Authority::new("clients").client("stranger");
    let as_server = clients.server(&["a.test"]);
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        let ask = async |shown| Manner::of(&servers, shown, versions).ask(&world, "a.test").await;
        assert_eq!(ask(Some(&good)).await.unwrap().status, 200);
        for (what, shown) in
            [("none", None), ("stranger", Some(&stranger)), ("not a client's", Some(&as_server))]
        {
            assert!(ask(shown).await.is_err(), "{what}");
        }
    }
    assert_eq!(world.upstream.requests().len(), 2);
}

#[tokio::test]
async fn a_chain_that_is_longer_than_allowed_is_refused() {
    let (servers, clients) = authorities();
    let issued = servers.server(&["a.test"]);
    let one = clients.below("one");
    let two = one.below("two");
    let shown = [clients.client("c"), one.client("c"), two.client("c")];
    for depth in 0..3 {
        let ssl = asking(issued.ssl("a", &["a.test"]), &clients, &json!({"depth": depth}));
        let world = World::new(&[ssl]).await;
        for (length, shown) in shown.iter().enumerate() {
            let gets_in = Manner::showing(&servers, shown).ask(&world, "a.test").await.is_ok();
            assert_eq!(gets_in, length <= depth, "{length} between, depth {depth}");
        }
    }
}

#[tokio::test]
async fn a_connection_for_one_host_does_not_open_another_that_asks_for_a_certificate() {
    let (servers, clients) = authorities();
    let others = Authority::new("other clients");
    let issued = servers.server(&["open.test", "a.test", "b.test"]);
    let world = World::new(&[
        issued.ssl("open", &["open.test"]),
        asking(issued.ssl("a", &["a.test"]), &clients, &json!({})),
        asking(issued.ssl("b", &["*.test"]), &others, &json!({})),
    ])
    .await;
    for host in ["a.test", "A.Test", "a.test:443", "a.test.", "b.test"] {
        let mut open = Manner::trusting(&servers).connect(&world, "open.test").await.unwrap();
        let refused = open.ask(host, "/").await.unwrap();
        assert_eq!((refused.status, refused.closes), (421, true), "{host}");
        assert!(refused.body.contains("made for another host"), "{}", refused.body);
    }
    let mut open = Manner::trusting(&servers).connect(&world, "open.test").await.unwrap();
    assert_eq!(open.ask("open.test", "/").await.unwrap().status, 200);
    let mut a = Manner::showing(&servers, &clients.client("c")).connect(&world, "a.test").await.unwrap();
    // What asks for nothing is open to everyone.
    assert_eq!(a.ask("open.test", "/").await.unwrap().status, 200);
    assert_eq!(a.ask("a.test", "/").await.unwrap().status, 200);
    assert_eq!(a.ask("b.test", "/").await.unwrap().status, 421);
    assert_eq!(world.upstream.requests().len(), 3);
}

#[tokio::test]
async fn some_paths_need_no_certificate() {
    let (servers, clients) = authorities();
    let issued = servers.server(&["a.test"]);
    let more = json!({"skip_mtls_uri_regex": ["^/health$", "^/open/"]});
    let world = World::new(&[asking(issued.ssl("a", &["a.test"]), &clients, &more)]).await;
    let mut without = Manner::trusting(&servers).connect(&world, "a.test").await.unwrap();
    for (path, status) in [
        ("/health", 200),
        ("/open/x", 200),
        ("/", 400),
        ("/healthy", 400),
        ("/open/../secret", 400),
        ("/open/%2e%2e/secret", 400),
        ("/secret?/open/", 400),
    ] {
        assert_eq!(without.ask("a.test", path).await.unwrap().status, status, "{path}");
    }
    let missing = without.ask("a.test", "/").await.unwrap();
    assert!(missing.body.contains("client certificate was not present"), "{}", missing.body);
    let good = Manner::showing(&servers, &clients.client("c")).ask(&world, "a.test").await.unwrap();
    assert_eq!(good.status, 200);
    let stranger = Authority::new("strangers").client("s");
    let mut wrong = Manner::showing(&servers, &stranger).connect(&world, "a.test").await.unwrap();
    assert_eq!(wrong.ask("a.test", "/health").await.unwrap().status, 200);
    let refused = wrong.ask("a.test", "/").await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("verification is not passed"), "{}", refused.body);
}

#[tokio::test]
async fn who_came_in_before_a_certificate_was_asked_for_must_come_again() {
    let (servers, clients) = authorities();
    let issued = servers.server(&["a.test"]);
    let open = issued.ssl("a", &["a.test"]);
    let world = World::new(std::slice::from_ref(&open)).await;
    let mut before = Manner::trusting(&servers).connect(&world, "a.test").await.unwrap();
    assert_eq!(before.ask("a.test", "/").await.unwrap().status, 200);
    let asking = asking(open, &clients, &json!({}));
    world.apply(std::slice::from_ref(&asking)).await;
    let refused = before.ask("a.test", "/").await.unwrap();
    assert_eq!((refused.status, refused.closes), (421, true));
    assert!(refused.body.contains("has changed since the connection was made"), "{}", refused.body);
    // A change of something else does not send clients away.
    let mut with = Manner::showing(&servers, &clients.client("c")).connect(&world, "a.test").await.unwrap();
    let renewed = servers.server(&["a.test"]);
    let mut renewed_ssl = renewed.ssl("a", &["a.test"]);
    renewed_ssl["client"] = asking["client"].clone();
    world.apply(&[renewed_ssl]).await;
    assert_eq!(with.ask("a.test", "/").await.unwrap().status, 200);
}
