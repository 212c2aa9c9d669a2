//! Which certificate is shown for which name.

use super::client::{Manner, der};
use super::issuer::Authority;
use super::{World, tls_settings};
use gateway::Settings;
use serde_json::json;
use tokio_rustls::rustls::{ProtocolVersion, version};

#[tokio::test]
async fn the_exact_name_beats_the_wildcard_and_that_stands_for_one_label() {
    let authority = Authority::new("root");
    let exact = authority.server(&["a.example.com"]);
    let wildcard = authority.server(&["*.example.com"]);
    let world =
        World::new(&[wildcard.ssl("w", &["*.Example.com"]), exact.ssl("e", &["a.example.com"])]).await;
    let client = Manner::trusting(&authority);
    for (name, expected) in
        [("a.example.com", &exact), ("b.example.com", &wildcard), ("A.EXAMPLE.com", &exact)]
    {
        let mut connection = client.connect(&world, name).await.unwrap();
        assert_eq!(connection.certificate(), der(expected), "{name}");
        assert_eq!(connection.ask(name, "/").await.unwrap().status, 200);
    }
    for name in ["a.b.example.com", "example.com", "other.org"] {
        let error = client.connect(&world, name).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("UnrecognisedName"), "{name}: {error}");
    }
    testkit::clock::eventually("three failures", async || {
        world.gate.gateway.totals().snapshot().handshake_failures == [("unknown_name".to_owned(), 3)].into()
    })
    .await;
}

#[tokio::test]
async fn a_client_that_names_nothing_known_gets_the_fallback_if_there_is_one() {
    let authority = Authority::new("root");
    let issued = authority.server(&["a.example.com", "unknown.org"]);
    let ssls = [issued.ssl("a", &["a.example.com"])];
    let client = Manner::trusting(&authority);
    let without_name = client.with(|config| config.enable_sni = false);
    let world = World::new(&ssls).await;
    let error = without_name.connect(&world, "a.example.com").await.map(drop).unwrap_err();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    let settings = Settings { fallback_sni: Some("a.example.com".to_owned()), ..tls_settings() };
    let world = World::with(settings, &ssls).await;
    assert_eq!(without_name.ask(&world, "a.example.com").await.unwrap().status, 200);
    assert_eq!(client.ask(&world, "unknown.org").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_gets_the_certificate_that_it_can_verify() {
    let authority = Authority::new("root");
    let (rsa, elliptic) = (authority.rsa_server(&["a.test"]), authority.server(&["a.test"]));
    let mut ssl = rsa.ssl("both", &["a.test"]);
    ssl["certs"] = json!([elliptic.cert]);
    ssl["keys"] = json!([elliptic.key]);
    let world = World::new(&[ssl]).await;
    let shown = async |client: Manner| client.connect(&world, "a.test").await.unwrap().certificate();
    let client = Manner::trusting(&authority);
    assert_eq!(shown(client).await, der(&elliptic));
    let only_rsa =
        |suite: &tokio_rustls::rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).contains("RSA");
    let old = Manner::of(&authority, None, &[&version::TLS12]);
    let old = old.with(|config| {
        let mut provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|suite| only_rsa(suite));
        *config = super::client::rebuilt(&authority, provider);
    });
    assert_eq!(shown(old).await, der(&rsa));
}

#[tokio::test]
async fn the_versions_are_those_that_the_resource_allows() {
    let authority = Authority::new("root");
    let issued = authority.server(&["new.test", "old.test", "any.test"]);
    let ssl = |name: &str, protocols: &[&str]| {
        let mut ssl = issued.ssl(name, &[name]);
        if !protocols.is_empty() {
            ssl["ssl_protocols"] = json!(protocols);
        }
        ssl
    };
    let world = World::new(&[
        ssl("new.test", &["TLSv1.3"]),
        ssl("old.test", &["TLSv1.1", "TLSv1.2"]),
        ssl("any.test", &[]),
    ])
    .await;
    let old = Manner::of(&authority, None, &[&version::TLS12]);
    assert!(old.connect(&world, "new.test").await.is_err());
    assert_eq!(old.ask(&world, "any.test").await.unwrap().status, 200);
    let any = Manner::trusting(&authority);
    for (name, expected) in [
        ("new.test", ProtocolVersion::TLSv1_3),
        ("old.test", ProtocolVersion::TLSv1_2),
        ("any.test", ProtocolVersion::TLSv1_3),
    ] {
        assert_eq!(any.connect(&world, name).await.unwrap().version(), expected, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_told_and_the_rest_is_served() {
    let authority = Authority::new("root");
    let (good, other) = (authority.server(&["a.test"]), authority.server(&["b.test"]));
    let world = World::new(&[]).await;
    let mut mismatched = good.ssl("mismatched", &["b.test"]);
    mismatched["key"] = other.key.clone().into();
    let mut ancient = other.ssl("ancient", &["c.test"]);
    ancient["ssl_protocols"] = json!(["TLSv1.1"]);
    let mut broken = other.ssl("broken", &["d.test"]);
    broken["cert"] = "-----BEGIN CERTIFICATE-----".into();
    let mut off = other.ssl("off", &["a.test"]);
    off["status"] = 0.into();
    let problems = world
        .apply(&[
            off,
            good.ssl("good", &["a.test"]),
            good.ssl("late", &["a.test"]),
            mismatched,
            ancient,
            broken,
        ])
        .await;
    let told =
        |part: &str| assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
    told("late: a.test is served by the older ssl good");
    told("mismatched: the key does not belong to the cert; its names are not served");
    told("ancient: none of its ssl_protocols is spoken");
    told("broken: failed to parse cert");
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.contains("PRIVATE")), "{problems:?}");
    assert_eq!(Manner::trusting(&authority).ask(&world, "a.test").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_new_certificate_holds_for_the_next_handshake_and_connections_live_on() {
    let authority = Authority::new("root");
    let (old, new) = (authority.server(&["a.test"]), authority.server(&["a.test"]));
    let world = World::new(&[old.ssl("a", &["a.test"])]).await;
    let client = Manner::trusting(&authority);
    let mut before = client.connect(&world, "a.test").await.unwrap();
    assert_eq!(before.ask("a.test", "/").await.unwrap().status, 200);
    world.apply(&[new.ssl("a", &["a.test"])]).await;
    let after = client.connect(&world, "a.test").await.unwrap();
    assert_eq!((before.certificate(), after.certificate()), (der(&old), der(&new)));
    assert_eq!(before.ask("a.test", "/").await.unwrap().status, 200);
    world.apply(&[]).await;
    assert_eq!(before.ask("a.test", "/").await.unwrap().status, 200);
    assert!(client.connect(&world, "a.test").await.is_err());
}
