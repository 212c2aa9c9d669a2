//! Nodes whose certificate is odd, or that do not like ours.

use super::issuer::{Authority, Issued};
use super::upstreams::{by_id, server};
use crate::support::{Gate, get, route, settings, upstream_with};
use model::resource::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::clock::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

/// A server that shows a certificate, right or not, and answers one request on each connection.
async fn showing(
    certificate: Vec<u8>,
    key: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> SocketAddr {
    let key = any_supported_type(&PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let shown = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

fn resources(nodes: &[SocketAddr], more: &Value) -> Vec<(Kind, Value)> {
    let mut upstream =
        json!({"scheme": "https", "retries": 0, "pass_host": "rewrite", "upstream_host": "localhost"});
    upstream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    vec![upstream_with("u", nodes, &upstream), route(&json!({"upstream_id": "u"}))]
}

/// Why the gate has answered, once it has answered so many.
async fn reasons(gate: &Gate, count: u64) -> BTreeMap<String, u64> {
    let answers = || gate.gateway.totals().snapshot().gate_answers;
    eventually("that all are counted", async || answers().values().sum::<u64>() >= count).await;
    answers().into_iter().collect()
}

/// The same certificate, as if it were of X.509 version 1: its version says so, and for us its signature does not matter.
fn of_version_1(issued: &Issued) -> Vec<u8> {
    let mut certificate = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap().to_vec();
    let version_3 = [0xa0, 3, 2, 1, 2];
    let at = certificate.windows(5).position(|bytes| bytes == version_3).unwrap();
    certificate[at + 4] = 0;
    certificate
}

#[tokio::test]
async fn a_certificate_that_is_not_verified_may_be_of_version_1_but_the_node_must_hold_its_key() {
    let authority = Authority::new("servers");
    let gate = Gate::start(settings());
    for (issued, other) in [
        (authority.server(&["localhost"]), authority.server(&["localhost"])),
        (authority.rsa_server(&["localhost"]), authority.rsa_server(&["localhost"])),
    ] {
        for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
            let good = showing(of_version_1(&issued), &issued.key, versions).await;
            let impostor = showing(of_version_1(&issued), &other.key, versions).await;
            for (what, node, verify, status) in [
                ("not verified", good, false, 200),
                ("verified", good, true, 502),
                ("of someone else", impostor, false, 502),
            ] {
                gate.apply(&resources(&[node], &json!({"tls": {"verify": verify}}))).await;
                assert_eq!(gate.ask(get("/")).await.status, status, "{what}");
            }
        }
    }
    let refused = [("certificate_bad_signature", 4), ("certificate_invalid", 4)];
    assert_eq!(reasons(&gate, 8).await, refused.map(|(reason, count)| (reason.to_owned(), count)).into());
}

#[tokio::test]
async fn a_node_that_refuses_our_certificate_is_named_as_the_reason_however_much_was_sent_before_it_did() {
    let clients = Authority::new("clients");
    let stranger = Authority::new("strangers").client("gate");
    let address = server(&clients).await;
    let large =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000));
    for scheme in ["https", "grpcs"] {
        for (tls, reason) in [
            (json!({}), "client_certificate_required"),
            (json!({"client_cert": stranger.cert, "client_key": stranger.key}), "client_certificate_refused"),
        ] {
            let gate =
                Gate::with(settings(), &resources(&[address], &json!({"scheme": scheme, "tls": tls}))).await;
            for request in [get("/"), large.clone()].iter().cycle().take(8) {
                assert_eq!(gate.ask(request).await.status, 502);
            }
            assert_eq!(reasons(&gate, 8).await, [(reason.to_owned(), 8)].into(), "{scheme}");
        }
    }
}

#[tokio::test]
async fn nodes_that_refuse_us_count_as_down_and_a_certificate_of_ours_that_is_missing_says_nothing_of_them() {
    let clients = Authority::new("clients");
    let addresses = [server(&clients).await, server(&clients).await];
    let never = json!({"interval": 100_000});
    let checks = json!({"active": {"healthy": never, "unhealthy": never}, "passive": {"unhealthy": {"tcp_failures": 1}}});
    let all = |tls: Value| resources(&addresses, &json!({"tls": tls, "checks": checks, "retries": 1}));
    let standing = |gate: &Gate| -> Vec<String> {
        let health = gate.gateway.health();
        health
            .upstreams
            .into_iter()
            .flat_map(|upstream| upstream.nodes)
            .map(|node| node.status.to_owned())
            .collect()
    };
    let gate = Gate::with(settings(), &all(json!({"client_cert_id": "c"}))).await;
    for _ in 0..4 {
        assert_eq!(gate.ask(get("/")).await.status, 502);
    }
    assert_eq!(standing(&gate), ["healthy", "healthy"]);
    assert_eq!(reasons(&gate, 4).await, [("client_certificate_unusable".to_owned(), 4)].into());
    let mut there = all(json!({"client_cert_id": "c"}));
    there.push((Kind::Ssl, by_id(&clients.client("gate"))));
    gate.apply(&there).await;
    assert_eq!(gate.ask(get("/")).await.status, 200);
    gate.apply(&all(json!({}))).await;
    assert_eq!(gate.ask(get("/")).await.status, 502);
    assert_eq!(standing(&gate), ["unhealthy", "unhealthy"]);
}
