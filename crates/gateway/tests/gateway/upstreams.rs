//! Upstreams by name and over TLS, and consistent hashing.

use crate::support::{Gate, get, route, settings, upstream_with};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::upstream::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A TLS server with a certificate of its own for `localhost`, that answers with the name it was asked for.
pub(crate) async fn tls_server() -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        head.clear();
                    }
                }
            });
        }
    });
    (address, cert.pem())
}

fn https(address: SocketAddr, verify: bool) -> [(model::resource::Kind, serde_json::Value); 2] {
    let node = json!([{"host": "localhost", "port": address.port(), "weight": 1}]);
    let upstream =
        json!({"id": "u", "scheme": "https", "pass_host": "node", "nodes": node, "tls": {"verify": verify}});
    [(model::resource::Kind::Upstream, upstream), route(&json!({"upstream_id": "u"}))]
}

#[tokio::test]
async fn an_unknown_certificate_is_taken_unless_it_is_to_be_checked() {
    let (address, _) = tls_server().await;
    let gate = Gate::with(settings(), &https(address, false)).await;
    let mut client = gate.client().await;
    for _ in 0..2 {
        assert_eq!(client.ask(get("/")).await.body, "localhost");
    }
    gate.apply(&https(address, true)).await;
    assert_eq!(client.ask(get("/")).await.status, 502);
    let always = gateway::Settings { always_verify_upstreams: true, ..settings() };
    assert_eq!(Gate::with(always, &https(address, false)).await.ask(get("/")).await.status, 502);
}

#[tokio::test]
async fn a_certificate_that_is_trusted_passes_the_check() {
    let (address, pem) = tls_server().await;
    let file = std::env::temp_dir().join(format!("gateway-ca-{}-{}.pem", std::process::id(), address.port()));
    std::fs::write(&file, pem).unwrap();
    let settings = gateway::Settings { tls_ca_file: Some(file.clone()), ..settings() };
    let gate = Gate::with(settings, &https(address, true)).await;
    assert_eq!(gate.ask(get("/")).await.body, "localhost");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn plain_http_is_no_answer_to_tls() {
    let server = Upstream::start("u").await;
    assert_eq!(Gate::with(settings(), &https(server.address(), false)).await.ask(get("/")).await.status, 502);
}

#[tokio::test]
async fn a_name_is_resolved_and_one_that_cannot_be_is_a_502() {
    let server = Upstream::start("u").await;
    let node = |host: &str| json!({"host": host, "port": server.address().port(), "weight": 1});
    let resources = |host: &str| {
        let upstream = json!({"id": "u", "nodes": [node(host)]});
        [(model::resource::Kind::Upstream, upstream), route(&json!({"upstream_id": "u"}))]
    };
    let settings = gateway::Settings { dns_valid_ms: 0, ..settings() };
    let gate = Gate::with(settings, &resources("localhost")).await;
    for _ in 0..3 {
        let close = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        assert_eq!(gate.ask(close).await.status, 200);
    }
    gate.apply(&resources("no-such-name.invalid")).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    let (one, two) = tokio::join!(one.ask(get("/")), two.ask(get("/")));
    assert_eq!((one.status, two.status), (502, 502));
}

#[tokio::test]
async fn a_key_always_reaches_the_same_node() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let more = json!({"type": "chash", "hash_on": "header", "key": "x_user"});
    let resources =
        [upstream_with("u", &[a.address(), b.address()], &more), route(&json!({"upstream_id": "u"}))];
    let gate = Gate::with(settings(), &resources).await;
    let mut client = gate.client().await;
    let mut reached = std::collections::BTreeSet::new();
    for user in 0..20 {
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: u{user}\r\n\r\n");
        let first = client.ask(&request).await.header("x-colour").unwrap().to_owned();
        let second = client.ask(&request).await.header("x-colour").unwrap().to_owned();
        assert_eq!(first, second);
        reached.insert(first);
    }
    assert_eq!(reached.len(), 2);
}

#[tokio::test]
async fn cookies_and_combinations_are_keys_too() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    for more in [
        json!({"type": "chash", "hash_on": "cookie", "key": "user"}),
        json!({"type": "chash", "hash_on": "vars_combinations", "key": "$cookie_user-${http_host}"}),
        json!({"type": "chash", "hash_on": "vars", "key": "arg_user"}),
    ] {
        let resources =
            [upstream_with("u", &[a.address(), b.address()], &more), route(&json!({"upstream_id": "u"}))];
        let gate = Gate::with(settings(), &resources).await;
        let mut client = gate.client().await;
        let mut reached = std::collections::BTreeSet::new();
        for user in 0..20 {
            let request =
                format!("GET /?user={user} HTTP/1.1\r\nHost: h\r\nCookie: a=b; user={user}\r\n\r\n");
            let first = client.ask(&request).await.header("x-colour").unwrap().to_owned();
            let second = client.ask(&request).await.header("x-colour").unwrap().to_owned();
            assert_eq!(first, second, "{more}");
            reached.insert(first);
        }
        assert_eq!(reached.len(), 2, "{more}");
    }
}
