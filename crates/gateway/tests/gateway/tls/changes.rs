//! What clients must show changes while their connections are open: who has shown enough stays, who has not connects again.

use super::World;
use super::client::{Client, Manner};
use super::issuer::{Authority, Issued, asking};
use serde_json::{Value, json};
use testkit::clock::{eventually, within};
use tokio_rustls::rustls::version;

/// Two authorities of clients, and a server that asks for what a test says.
struct Scene {
    servers: Authority,
    clients: Authority,
    others: Authority,
    issued: Issued,
    world: World,
}

impl Scene {
    async fn new(more: &Value) -> Scene {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let issued = servers.server(&["a.test"]);
        let ssl = asking(issued.ssl("a", &["a.test"]), &clients, more);
        let world = World::new(&[ssl]).await;
        Scene { servers, clients, others: Authority::new("other clients"), issued, world }
    }

    /// Asks for certificates of `ca` from now on.
    async fn ask_for(&self, id: &str, ca: &str, more: &Value) {
        let mut ssl = asking(self.issued.ssl(id, &["a.test"]), &self.clients, more);
        ssl["client"]["ca"] = ca.into();
        assert_eq!(self.world.apply(&[ssl]).await, [] as [String; 0]);
    }

    async fn connect(&self, manner: &Manner) -> Client {
        manner.connect(&self.world, "a.test").await.unwrap()
    }

    /// How often the gate has answered for a reason, once no request is open.
    async fn answers(&self, reason: &str, count: u64) {
        let answers = || self.world.gate.gateway.totals().snapshot().gate_answers;
        self.world.gate.settled().await;
        let counted = async || answers().get(reason).copied().unwrap_or(0) == count;
        eventually(reason, counted).await;
    }
}

async fn status(client: &mut Client, path: &str) -> u16 {
    client.ask("a.test", path).await.unwrap().status
}

#[tokio::test]
async fn who_has_shown_what_is_asked_now_stays_whatever_has_changed() {
    let scene = Scene::new(&json!({})).await;
    let Scene { clients, others, .. } = &scene;
    let both = format!("{}{}", others.pem, clients.pem);
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        scene.ask_for("a", &clients.pem, &json!({})).await;
        let manner = Manner::of(&scene.servers, Some(&clients.client("c")), versions);
        let mut kept = scene.connect(&manner).await;
        assert_eq!(status(&mut kept, "/").await, 200);
        for (what, id, ca, more) in [
            ("one more authority", "a", &both, json!({})),
            ("a shorter chain, which it has", "a", &both, json!({"depth": 0})),
            ("paths that need none", "a", &both, json!({"depth": 0, "skip_mtls_uri_regex": ["^/open"]})),
            ("another authority less", "a", &clients.pem, json!({})),
            ("another resource for its name", "b", &clients.pem, json!({})),
        ] {
            scene.ask_for(id, ca, &more).await;
            for path in ["/", "/open"] {
                assert_eq!(status(&mut kept, path).await, 200, "{what}");
            }
        }
    }
    scene.answers("client_rule_changed", 0).await;
}

#[tokio::test]
async fn who_has_not_shown_what_is_asked_now_is_told_so_and_connects_again() {
    let scene = Scene::new(&json!({"depth": 1})).await;
    let Scene { clients, others, .. } = &scene;
    let below = clients.below("below");
    for (what, ca, more) in [
        ("another authority", &others.pem, json!({"depth": 1})),
        ("a shorter chain", &clients.pem, json!({"depth": 0})),
    ] {
        scene.ask_for("a", &clients.pem, &json!({"depth": 1})).await;
        let mut kept = scene.connect(&Manner::showing(&scene.servers, &below.client("c"))).await;
        assert_eq!(status(&mut kept, "/").await, 200, "{what}");
        scene.ask_for("a", ca, &more).await;
        let refused = kept.ask("a.test", "/").await.unwrap();
        assert_eq!(refused.status, 421, "{what}");
        assert!(refused.body.contains("has changed since the connection was made"), "{}", refused.body);
        assert!(refused.closes, "{what}");
        assert!(kept.ask("a.test", "/").await.is_err(), "{what}: the connection has ended");
    }
    scene.answers("client_rule_changed", 2).await;
    scene.answers("misdirected", 0).await;
    scene.ask_for("a", &others.pem, &json!({})).await;
    let mut again = scene.connect(&Manner::showing(&scene.servers, &others.client("c"))).await;
    assert_eq!(status(&mut again, "/").await, 200);
}

#[tokio::test]
async fn paths_that_need_no_certificate_any_more_are_open_to_connections_without_one() {
    let scene = Scene::new(&json!({"skip_mtls_uri_regex": ["^/open"]})).await;
    let mut kept = scene.connect(&Manner::trusting(&scene.servers)).await;
    assert_eq!([status(&mut kept, "/open").await, status(&mut kept, "/more").await], [200, 400]);
    scene.ask_for("a", &scene.clients.pem, &json!({"skip_mtls_uri_regex": ["^/open", "^/more"]})).await;
    assert_eq!([status(&mut kept, "/open").await, status(&mut kept, "/more").await], [200, 200]);
    assert_eq!(status(&mut kept, "/").await, 421, "it may have a certificate that is good now");
}

#[tokio::test]
async fn over_http2_the_client_is_told_to_connect_again() {
    let scene = Scene::new(&json!({})).await;
    let manner = Manner::showing(&scene.servers, &scene.clients.client("c"));
    let manner = manner.with(|config| config.alpn_protocols = vec![b"h2".to_vec()]);
    let connection = scene.connect(&manner).await;
    let (sender, driver) = within("a handshake", h2::client::handshake(connection.0)).await.unwrap();
    let driver = tokio::spawn(driver);
    let ask = async || {
        let request = http::Request::get("https://a.test/").body(()).unwrap();
        let mut sender = within("a stream", sender.clone().ready()).await.unwrap();
        let (answer, _) = sender.send_request(request, true).unwrap();
        within("an answer", answer).await.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 200);
    scene.ask_for("a", &format!("{}{}", scene.others.pem, scene.clients.pem), &json!({})).await;
    assert_eq!(ask().await, 200);
    scene.ask_for("a", &scene.others.pem, &json!({})).await;
    assert_eq!(ask().await, 421);
    // With GOAWAY, and without an error.
    within("the end of the connection", driver).await.unwrap().unwrap();
}
