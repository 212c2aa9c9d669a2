//! Upstreams that ask us for a certificate.

use super::issuer::{Authority, Issued};
use crate::support::{Gate, get, route, settings};
use model::resource::Kind;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{HandshakeKind, RootCertStore, ServerConfig};

/// A server whose clients must show a certificate of an authority. It answers one request on each connection, and says
/// whether the session was resumed.
pub(super) async fn server(clients: &Authority) -> SocketAddr {
    let issued = Authority::new("servers").server(&["localhost"]);
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(
            CertificateDer::pem_slice_iter(issued.cert.as_bytes()).map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
        );
    let mut config = config.unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let _ = stream.read(&mut [0; 4_096]).await;
            let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
            let body = if resumed { "resumed" } else { "greeted" };
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

fn resources(address: SocketAddr, tls: &Value, ssl: Option<Value>) -> Vec<(Kind, Value)> {
    let nodes = json!({format!("{address}"): 1});
    let upstream = json!({
        "id": "u", "nodes": nodes, "scheme": "https", "tls": tls, "retries": 0,
        "pass_host": "rewrite", "upstream_host": "localhost",
    });
    let mut resources = vec![(Kind::Upstream, upstream), route(&json!({"upstream_id": "u"}))];
    resources.extend(ssl.map(|ssl| (Kind::Ssl, ssl)));
    resources
}

fn own(issued: &Issued) -> Value {
    json!({"client_cert": issued.cert, "client_key": issued.key})
}

pub(super) fn by_id(issued: &Issued) -> Value {
    json!({"id": "c", "type": "client", "cert": issued.cert, "key": issued.key})
}

#[tokio::test]
async fn an_upstream_that_asks_for_a_certificate_gets_the_one_that_is_named() {
    let clients = Authority::new("clients");
    let (good, stranger) = (clients.client("gate"), Authority::new("strangers").client("gate"));
    let address = server(&clients).await;
    let named = json!({"client_cert_id": "c"});
    let mut off = by_id(&good);
    off["status"] = 0.into();
    let gate = Gate::start(settings());
    for (what, tls, ssl, status) in [
        ("none", json!({}), None, 502),
        ("its own", own(&good), None, 200),
        ("of a stranger", own(&stranger), None, 502),
        ("by id", named.clone(), Some(by_id(&good)), 200),
        ("changed by id", named.clone(), Some(by_id(&stranger)), 502),
        ("changed back", named.clone(), Some(by_id(&good)), 200),
        ("switched off", named.clone(), Some(off), 502),
        ("gone", named, None, 502),
    ] {
        gate.apply(&resources(address, &tls, ssl)).await;
        assert_eq!(gate.ask(get("/")).await.status, status, "{what}");
    }
    let answers = gate.gateway.totals().snapshot().gate_answers;
    assert_eq!(answers.get("client_certificate_refused"), Some(&2), "{answers:?}");
    assert!(answers.contains_key("client_certificate_required"), "{answers:?}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_and_not_left_out_silently() {
    let clients = Authority::new("clients");
    let address = server(&clients).await;
    let (one, other) = (clients.client("gate"), clients.client("gate"));
    let mismatched = Issued { key: other.key, ..one };
    let gate = Gate::start(settings());
    let problems = gate.apply(&resources(address, &own(&mismatched), None)).await.problems;
    assert_eq!((problems.len(), problems[0].kind), (1, Kind::Upstream));
    assert!(problems[0].what.contains("client certificate: the key does not belong"), "{problems:?}");
    assert_eq!(gate.ask(get("/")).await.status, 502);
    let named = json!({"client_cert_id": "c"});
    let problems = gate.apply(&resources(address, &named, Some(by_id(&mismatched)))).await.problems;
    assert_eq!((problems.len(), problems[0].kind), (1, Kind::Ssl));
    assert_eq!(gate.ask(get("/")).await.status, 502);
}

#[tokio::test]
async fn a_session_with_an_upstream_is_resumed_also_after_a_change_elsewhere() {
    let clients = Authority::new("clients");
    let address = server(&clients).await;
    let issued = clients.client("gate");
    let gate = Gate::start(settings());
    for (turn, expected) in ["greeted", "resumed", "resumed"].into_iter().enumerate() {
        let mut resources = resources(address, &own(&issued), None);
        resources[0].1["desc"] = format!("turn {turn}").into();
        gate.apply(&resources).await;
        assert_eq!(gate.ask(get("/")).await.body, expected);
    }
}
