//! Certificates and their keys: written as in APISIX, sealed in the store, never shown.

use crate::support::{Gate, state, upstream};
use admin::Dialect;
use model::resource::Kind;
use rcgen::{CertificateParams, KeyPair, date_time_ymd, generate_simple_self_signed};
use serde_json::{Value, json};
use std::sync::Arc;
use store::secret::Keyring;

/// A certificate with its key, in PEM.
fn issued(name: &str) -> (String, String) {
    let issued = generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

fn ssl(name: &str) -> Value {
    let (cert, key) = issued(name);
    json!({"sni": name, "cert": cert, "key": key})
}

/// The middle of a key, which must stand nowhere.
fn secret(pem: &Value) -> String {
    pem.as_str().unwrap().lines().nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_name_that_another_one_has_is_taken_and_told_to_the_writer() {
    for dialect in [Dialect::Apisix, Dialect::Api7] {
        let gate = Gate::start(dialect).await;
        let warning = async |path: &str, body: Value| {
            let answer = gate.call("PUT", path, body).await;
            assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
            serde_json::from_str::<Value>(&answer.text).unwrap()["warning_msg"].clone()
        };
        assert_eq!(warning("/ssls/1", ssl("a.test")).await, Value::Null);
        assert_eq!(warning("/ssls/2", ssl("b.test")).await, Value::Null);
        let names = ["a.test", "b.test", "c.test"].map(str::to_owned);
        let issued = generate_simple_self_signed(names).unwrap();
        let (cert, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
        let mut both = json!({"snis": ["A.test", "b.test", "c.test"], "cert": cert, "key": key});
        let told = "a.test is served by the older ssl 1; b.test is served by the older ssl 2";
        assert_eq!(warning("/ssls/3", both.clone()).await, told);
        assert_eq!(warning("/ssls/1", ssl("a.test")).await, Value::Null, "the older one has it");
        both["status"] = json!(0);
        assert_eq!(warning("/ssls/3", both).await, Value::Null, "it is switched off");
    }
}

#[tokio::test]
async fn what_clients_would_refuse_is_told_to_the_writer() {
    let made = |from: i32, to: i32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        json!({"sni": "a.test", "cert": params.self_signed(&key).unwrap().pem(), "key": key.serialize_pem()})
    };
    let with = |mut ssl: Value, name: &str, value: Value| {
        ssl[name] = value;
        ssl
    };
    let second = made(2001, 2002);
    let both = with(with(made(2000, 4000), "certs", json!([second["cert"]])), "keys", json!([second["key"]]));
    for dialect in [Dialect::Apisix, Dialect::Api7] {
        let gate = Gate::start(dialect).await;
        for (ssl, told) in [
            (made(2000, 4000), None),
            (made(2001, 2002), Some("the certificate in cert has expired at 2002-01-01T00:00:00Z")),
            (made(3990, 4000), Some("the certificate in cert is not valid before 3990-01-01T00:00:00Z")),
            (both.clone(), Some("the certificate in certs[0] has expired")),
            (
                with(made(2000, 4000), "ssl_protocols", json!(["TLSv1.1"])),
                Some("none of its ssl_protocols is spoken"),
            ),
            (
                with(made(2000, 4000), "ssl_protocols", json!(["TLSv1.1", "TLSv1.3"])),
                Some("TLSv1.1 is not spoken"),
            ),
            (with(made(2000, 4000), "sni", json!("b.test")), Some("is not for b.test")),
            (with(made(2001, 2002), "status", json!(0)), None),
        ] {
            let answer = gate.call("PUT", "/ssls/1", ssl).await;
            let said: Value = serde_json::from_str(&answer.text).unwrap();
            match told {
                Some(told) => {
                    assert!(said["warning_msg"].as_str().unwrap_or_default().contains(told), "{told}: {said}")
                }
                None => assert_eq!(said["warning_msg"], Value::Null),
            }
        }
    }
}

#[tokio::test]
async fn every_verb_works_in_both_dialects_and_no_answer_shows_a_key() {
    for dialect in [Dialect::Apisix, Dialect::Api7] {
        let gate = Gate::start(dialect).await;
        let (first, second) = (ssl("a.test"), ssl("b.test"));
        let (other_cert, other_key) = issued("a.test");
        let mut several = ssl("a.test");
        several["certs"] = json!([other_cert]);
        several["keys"] = json!([other_key]);
        let merge = json!({"sni": "c.test", "cert": second["cert"], "key": second["key"]});
        for (method, path, body, status) in [
            ("PUT", "/ssls/1", first.clone(), 201),
            ("PUT", "/ssls/1", several.clone(), 200),
            ("POST", "/ssls", second.clone(), 201),
            ("PATCH", "/ssls/1", json!({"labels": {"team": "shop"}}), 200),
            ("PATCH", "/ssls/1", merge, 200),
            ("PATCH", "/ssls/1/status", json!(0), 200),
            ("GET", "/ssls/1", json!(null), 200),
            ("GET", "/ssls", json!(null), 200),
        ] {
            let answer = gate.call(method, path, body).await.has_status(status);
            for key in [&first["key"], &second["key"], &several["key"], &several["keys"][0]] {
                assert!(!answer.text.contains(&secret(key)), "{method} {path}");
            }
            assert!(
                !answer.text.contains("PRIVATE KEY") && !answer.text.contains("sealed:"),
                "{}",
                answer.text
            );
            assert!(
                !answer.text.contains("\"key\":\"-") && !answer.text.contains("\"keys\""),
                "{}",
                answer.text
            );
        }
        let shown = gate.call("GET", "/ssls/1", ()).await.value();
        assert_eq!((&shown["sni"], &shown["cert"]), (&json!("c.test"), &second["cert"]));
        gate.call("DELETE", "/ssls/1", ()).await.has_status(200);
        gate.call("GET", "/ssls/1", ()).await.has_status(404);
    }
}

#[tokio::test]
async fn a_key_is_sealed_in_the_store_and_a_patch_without_it_keeps_it() {
    let gate = Gate::start(Dialect::Apisix).await;
    let sent = ssl("a.test");
    gate.call("PUT", "/ssls/1", &sent).await.has_status(201);
    let stored = async || gate.state.store.get(Kind::Ssl, "1").await.unwrap().unwrap().value.clone();
    let before = stored().await["key"].clone();
    assert!(before.as_str().unwrap().starts_with("sealed:v1:"), "{before}");
    gate.call("PATCH", "/ssls/1", json!({"desc": "d"})).await.has_status(200);
    assert_eq!(stored().await["key"], before);
    assert_eq!(gate.state.keyring.open(before.as_str().unwrap()).unwrap(), sent["key"]);
    // What does not belong to the kept key is still noticed.
    let (other, _) = issued("a.test");
    let answer = gate.call("PATCH", "/ssls/1", json!({"cert": other})).await;
    answer.is_error(400, "the key does not belong to the cert");
}

#[tokio::test]
async fn a_key_that_cannot_be_opened_is_a_clear_refusal_and_can_be_sent_again() {
    let mut first = state();
    let gate = Gate::start_with(first.clone(), Dialect::Apisix).await;
    let sent = ssl("a.test");
    gate.call("PUT", "/ssls/1", &sent).await.has_status(201);
    first.keyring = Arc::new(Keyring::of_key(&[8; 32]));
    let gate = Gate::start_with(first, Dialect::Apisix).await;
    gate.call("GET", "/ssls/1", ()).await.has_status(200);
    let refused = gate.call("PATCH", "/ssls/1", json!({"desc": "d"})).await.has_status(400);
    assert!(refused.text.contains("cannot be opened, send it again"), "{}", refused.text);
    let again = json!({"key": sent["key"], "cert": sent["cert"]});
    gate.call("PATCH", "/ssls/1", again).await.has_status(200);
    gate.call("PATCH", "/ssls/1", json!({"desc": "d"})).await.has_status(200);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_apisixs_words_and_without_the_key() {
    let gate = Gate::start(Dialect::Apisix).await;
    let good = ssl("a.test");
    let (_, other) = issued("b.test");
    let filler = "x".repeat(200);
    let with = |more: Value| {
        let mut ssl = good.clone();
        ssl.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ssl
    };
    for (body, text) in [
        (with(json!({"cert": filler})), "failed to parse cert: "),
        (with(json!({"key": filler})), "failed to parse key: "),
        (with(json!({"key": other})), "the key does not belong to the cert"),
        (with(json!({"certs": [good["cert"]]})), "mismatched number of certs and keys"),
        (
            with(json!({"certs": [good["cert"]], "keys": [other]})),
            "failed to handle cert-key pair[1]: the key does not belong to the cert",
        ),
        (with(json!({"client": {"ca": filler}})), "failed to validate client_cert: failed to parse cert: "),
        (
            with(json!({"client": {}})),
            "invalid configuration: property \"client\" validation failed: property \"ca\" is required",
        ),
        (
            with(json!({"client": {"ca": good["cert"], "skip_mtls_uri_regex": ["("]}})),
            "invalid configuration: the pattern",
        ),
        (
            with(json!({"key": "short"})),
            "invalid configuration: property \"key\" validation failed: string too short",
        ),
        (
            with(json!({"sni": "a b"})),
            "invalid configuration: property \"sni\" validation failed: failed to match pattern",
        ),
        (
            with(json!({"ssl_protocols": ["SSLv3"]})),
            "invalid configuration: property \"ssl_protocols\" validation failed",
        ),
        (json!({"sni": "a.test"}), "invalid configuration: then clause did not match"),
        (json!({"type": "client", "cert": good["cert"]}), "invalid configuration: else clause did not match"),
        (
            with(json!({"key": format!("sealed:v1:1:{filler}")})),
            "the private key of this ssl cannot be opened",
        ),
    ] {
        let answer = gate.call("PUT", "/ssls/1", &body).await.has_status(400);
        let told = answer.json()["error_msg"].as_str().unwrap().to_owned();
        assert!(told.starts_with(text), "{told}\nexpected {text}");
        assert!(!told.contains(&secret(&json!(other))) && !told.contains(&secret(&good["key"])), "{told}");
    }
    assert!(gate.state.store.get(Kind::Ssl, "1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_body_that_is_no_json_is_not_repeated_if_a_key_is_in_it() {
    let gate = Gate::start(Dialect::Apisix).await;
    let (_, key) = issued("a.test");
    let broken = format!("{{\"key\": \"{}\", }}", key.replace('\n', "\\n"));
    let answer = gate.call("PUT", "/ssls/1", broken.as_str()).await.has_status(400);
    assert!(!answer.text.contains(&secret(&json!(key))), "{}", answer.text);
}

#[tokio::test]
async fn an_upstream_names_a_clients_certificate_that_exists() {
    let gate = Gate::start(Dialect::Apisix).await;
    let with = |id: &str| {
        let mut upstream = upstream();
        upstream["tls"] = json!({"client_cert_id": id});
        upstream
    };
    let missing = gate.call("PUT", "/upstreams/1", with("c")).await;
    missing.is_error(400, "failed to fetch ssl info by ssl id [c], response code: 404");
    gate.call("PUT", "/ssls/s", ssl("a.test")).await.has_status(201);
    gate.call("PUT", "/upstreams/1", with("s")).await.is_error(400, "wrong ssl type");
    let (cert, key) = issued("c");
    gate.call("PUT", "/ssls/c", json!({"type": "client", "cert": cert, "key": key})).await.has_status(201);
    gate.call("PUT", "/upstreams/1", with("c")).await.has_status(201);
    let route = json!({"uri": "/", "upstream": with("none")});
    gate.call("PUT", "/routes/1", route).await.has_status(400);
}

#[tokio::test]
async fn a_certificate_that_an_upstream_shows_is_deleted_only_by_force_wherever_the_upstream_stands() {
    let gate = Gate::start(Dialect::Apisix).await;
    let (cert, key) = issued("c");
    let mut showing = upstream();
    showing["tls"] = json!({"client_cert_id": "c"});
    let split = json!({"rules": [{"weighted_upstreams": [{"upstream": showing, "weight": 1}]}]});
    for (path, body, user) in [
        ("/upstreams/1", showing.clone(), "upstream [1]"),
        ("/services/2", json!({"upstream": showing}), "service [2]"),
        ("/routes/3", json!({"uri": "/", "upstream": showing}), "route [3]"),
        ("/routes/4", json!({"uri": "/", "plugins": {"traffic-split": split}}), "route [4]"),
    ] {
        let ssl = json!({"type": "client", "cert": cert, "key": key});
        gate.call("PUT", "/ssls/c", &ssl).await.has_status(201);
        gate.call("PUT", "/ssls/other", &ssl).await;
        gate.call("PUT", path, body).await.has_status(201);
        let text = format!("can not delete this ssl, {user} is still using it now");
        gate.call("DELETE", "/ssls/c", ()).await.is_error(400, &text);
        gate.call("DELETE", "/ssls/other", ()).await.has_status(200);
        gate.call("DELETE", "/ssls/c?force=true", ()).await.has_status(200);
        gate.call("DELETE", path, ()).await.has_status(200);
    }
}

#[tokio::test]
async fn a_clients_key_inside_an_upstream_is_sealed_and_not_shown_wherever_the_upstream_stands() {
    let gate = Gate::start(Dialect::Apisix).await;
    let (cert, key) = issued("client");
    let secret = secret(&json!(key));
    let mut upstream = upstream();
    upstream["tls"] = json!({"client_cert": cert, "client_key": key});
    let split = json!({"rules": [{"weighted_upstreams": [{"upstream": upstream, "weight": 1}]}]});
    for (kind, path, body) in [
        (Kind::Upstream, "/upstreams/1", upstream.clone()),
        (Kind::Service, "/services/1", json!({"upstream": upstream})),
        (Kind::Route, "/routes/1", json!({"uri": "/", "upstream": upstream})),
        (Kind::Route, "/routes/2", json!({"uri": "/", "plugins": {"traffic-split": split}})),
    ] {
        let patch = json!({"desc": "d"});
        for (method, body) in [("PUT", body), ("PATCH", patch), ("GET", json!(null))] {
            let answer = gate.call(method, path, body).await;
            assert!(answer.status < 300, "{}", answer.text);
            assert!(!answer.text.contains(&secret) && !answer.text.contains("client_key"), "{}", answer.text);
            assert!(answer.text.contains("client_cert"), "{}", answer.text);
        }
        let id = path.rsplit('/').next().unwrap();
        let stored = gate.state.store.get(kind, id).await.unwrap().unwrap().value.to_string();
        assert!(stored.contains("sealed:v1:") && !stored.contains(&secret), "{stored}");
    }
    upstream["tls"]["client_key"] = json!(issued("other").1);
    gate.call("PUT", "/upstreams/1", upstream).await.is_error(400, "the key does not belong to the cert");
}
