//! Sessions that are resumed: where they may be, and that they let nobody in.

use super::client::Manner;
use super::issuer::{Authority, asking};
use super::{World, tls_settings};
use gateway::Settings;
use serde_json::json;
use tokio_rustls::rustls::version;

#[tokio::test]
async fn a_session_is_resumed_also_on_another_thread_and_after_a_change_elsewhere() {
    let authority = Authority::new("root");
    let issued = authority.server(&["a.test"]);
    let ssl = issued.ssl("a", &["a.test"]);
    let settings = Settings { threads: 2, ..tls_settings() };
    let world = World::with(settings, std::slice::from_ref(&ssl)).await;
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        let client = Manner::of(&authority, None, versions);
        for turn in 0..8 {
            let mut connection = client.connect(&world, "a.test").await.unwrap();
            // Tickets come with the first bytes of TLS 1.3.
            assert_eq!(connection.ask("a.test", "/").await.unwrap().status, 200);
            assert_eq!(connection.is_resumed(), turn > 0, "{turn}");
            let mut labelled = ssl.clone();
            labelled["desc"] = format!("turn {turn}").into();
            world.apply(&[labelled, authority.server(&["b.test"]).ssl("b", &["b.test"])]).await;
        }
    }
}

#[tokio::test]
async fn a_session_of_one_resource_or_of_its_former_self_resumes_nothing() {
    let authority = Authority::new("root");
    let issued = authority.server(&["a.test"]);
    let ssl = issued.ssl("a", &["a.test"]);
    let world = World::new(std::slice::from_ref(&ssl)).await;
    let client = Manner::trusting(&authority);
    client.ask(&world, "a.test").await.unwrap();
    let asking = asking(ssl, &Authority::new("clients"), &json!({}));
    world.apply(std::slice::from_ref(&asking)).await;
    assert!(client.ask(&world, "a.test").await.is_err());
    let mut moved = asking;
    moved["id"] = "b".into();
    world.apply(std::slice::from_ref(&moved)).await;
    assert!(client.ask(&world, "a.test").await.is_err());
    assert_eq!(world.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_resumed_session_still_stands_for_the_client_that_showed_its_certificate() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let issued = servers.server(&["a.test"]);
    let more = json!({"skip_mtls_uri_regex": ["^/open$"]});
    let world = World::new(&[asking(issued.ssl("a", &["a.test"]), &clients, &more)]).await;
    let with = Manner::showing(&servers, &clients.client("c"));
    let without = Manner::trusting(&servers);
    for turn in 0..2 {
        let mut connection = with.connect(&world, "a.test").await.unwrap();
        assert_eq!(connection.ask("a.test", "/").await.unwrap().status, 200);
        assert_eq!(connection.is_resumed(), turn > 0);
        let mut connection = without.connect(&world, "a.test").await.unwrap();
        assert_eq!(connection.ask("a.test", "/").await.unwrap().status, 400);
        assert_eq!(connection.is_resumed(), turn > 0);
    }
}
