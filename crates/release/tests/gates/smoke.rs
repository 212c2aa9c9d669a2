//! The smoke gate.

use super::{context, instance, run};
use release::gate::{GateContext, Verdict};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const TOKEN: &str = "preview-t0ken";

fn one(request: Value) -> Value {
    json!({"smoke": {"requests": [request]}})
}

/// Two instances, and a gateway in front of them.
struct World {
    instances: [Upstream; 2],
    gateway: Upstream,
    context: GateContext,
    _directory: TempDir,
}

impl World {
    async fn new() -> World {
        let instances = [Upstream::start("green").await, Upstream::start("green").await];
        let gateway = Upstream::start("gateway").await;
        let directory = tempfile::tempdir().unwrap();
        let context = GateContext {
            instances: instances.iter().map(|upstream| instance(upstream.address())).collect(),
            gateway: Some(gateway.address()),
            preview: Some(("X-Look".to_owned(), TOKEN.to_owned())),
            host: Some("shop.example".to_owned()),
            ..context(&directory)
        };
        World { instances, gateway, context, _directory: directory }
    }
}

#[tokio::test]
async fn each_instance_is_asked_directly_and_the_version_through_the_preview() {
    let world = World::new().await;
    let request = json!({"method": "POST", "path": "/buy?card=4711", "body": "{}",
        "headers": {"Content-Type": "application/json"},
        "expect": {"statuses": [200], "body_contains": " "}});
    let outcome = run(one(request), &world.context).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    assert_eq!(outcome.summary, "3 requests answered as they should");
    for upstream in &world.instances {
        let [received] = upstream.requests().try_into().unwrap();
        assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/buy?card=4711"));
        assert_eq!(received.headers["host"], upstream.address().to_string());
        assert_eq!(received.headers["content-type"], "application/json");
        assert_eq!((received.body_bytes, received.headers.get("x-look")), (2, None));
    }
    let [received] = world.gateway.requests().try_into().unwrap();
    assert_eq!(
        (&received.headers["host"], &received.headers["x-look"]),
        (&"shop.example".parse().unwrap(), &TOKEN.parse().unwrap())
    );
    let address = world.gateway.address();
    let line = format!("through the gate {address} POST /buy?...: 200 in ");
    assert!(outcome.evidence.iter().any(|found| found.starts_with(&line)), "{outcome:?}");
}

#[tokio::test]
async fn one_wrong_answer_fails_the_gate_and_is_named() {
    let world = World::new().await;
    world.instances[1].behave(Behaviour::Status(http::StatusCode::INTERNAL_SERVER_ERROR));
    let outcome = run(one(json!({"path": "/health"})), &world.context).await;
    let address = world.instances[1].address();
    let line = outcome.evidence.iter().find(|line| line.contains(&address.to_string())).unwrap();
    assert!(line.ends_with(": status 500 instead of 200 to 299"), "{line}");
    let summary = format!("1 of 3 requests failed: {line}");
    assert_eq!((outcome.verdict, outcome.summary), (Verdict::Fail, summary));
}

#[tokio::test]
async fn an_instance_that_is_down_cuts_off_or_does_not_answer_fails_the_gate() {
    let mut world = World::new().await;
    let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.context.instances = vec![instance(down)];
    let outcome = run(one(json!({"path": "/"})), &world.context).await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert!(outcome.evidence[0].contains("cannot connect"), "{outcome:?}");

    world.context.instances = vec![instance(world.instances[0].address())];
    world.instances[0].behave(Behaviour::Hangup);
    let outcome = run(one(json!({"path": "/"})), &world.context).await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert!(outcome.evidence[0].contains("gave no proper HTTP answer"), "{outcome:?}");

    world.instances[0].behave(Behaviour::Held);
    world.context.timeout_ms = 200;
    let outcome = run(one(json!({"path": "/"})), &world.context).await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert!(outcome.evidence[0].contains("no answer within"), "{outcome:?}");
    assert!(outcome.evidence[1].contains("not asked: out of time"), "{outcome:?}");
    assert!(
        outcome.summary.ends_with(&outcome.evidence[0]),
        "what failed, not what was not asked: {outcome:?}"
    );
}

/// A server of TLS with a certificate that nobody knows, before another one.
async fn tls_before(address: SocketAddr) -> SocketAddr {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secure = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut upstream = TcpStream::connect(address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
        }
    });
    secure
}

#[tokio::test]
async fn instances_of_https_are_asked_over_tls() {
    let world = World::new().await;
    let secure = tls_before(world.instances[0].address()).await;
    let context = GateContext { scheme: "https".to_owned(), ..world.context.clone() };
    let both = GateContext { instances: vec![("localhost".to_owned(), secure.port())], ..context.clone() };
    let outcome = run(one(json!({"path": "/"})), &both).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    let [received] = world.instances[0].requests().try_into().unwrap();
    assert_eq!(received.headers["host"], format!("localhost:{}", secure.port()));
    assert_eq!(world.gateway.requests().len(), 1);
    let plain = GateContext { instances: vec![instance(world.instances[1].address())], ..context };
    let outcome = run(one(json!({"path": "/"})), &plain).await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert!(outcome.evidence[0].contains("no TLS with "), "{outcome:?}");
}

#[tokio::test]
async fn what_could_not_be_asked_is_inconclusive() {
    let world = World::new().await;
    let request = || one(json!({"path": "/"}));
    let of = async |context: GateContext| run(request(), &context).await;
    let context = || world.context.clone();
    let outcome = of(GateContext { gateway: None, ..context() }).await;
    assert_eq!(
        (outcome.verdict, outcome.evidence[0].as_str()),
        (Verdict::Inconclusive, "through the gate: no gateway is known")
    );
    let outcome = of(GateContext { instances: Vec::new(), ..context() }).await;
    assert_eq!(
        (outcome.verdict, outcome.evidence[0].as_str()),
        (Verdict::Inconclusive, "no instance is known")
    );
    let outcome = of(GateContext { scheme: "grpc".to_owned(), ..context() }).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    let outcome = run(json!({"smoke": {"requests": []}}), &context()).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    let outcome = run(one(json!({"method": "G T", "path": "/"})), &context()).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(outcome.evidence[0].contains("is no proper request"), "{outcome:?}");
}

#[tokio::test]
async fn without_a_preview_only_the_instances_are_asked() {
    let world = World::new().await;
    let outcome =
        run(one(json!({"path": "/"})), &GateContext { preview: None, ..world.context.clone() }).await;
    assert_eq!((outcome.verdict, world.gateway.requests().len()), (Verdict::Pass, 0));
    assert_eq!(outcome.evidence[0], "through the gate: not asked: the preview is switched off");
    let check = json!({"smoke": {"requests": [{"path": "/"}], "through_gate": false}});
    let outcome = run(check, &world.context).await;
    assert_eq!(
        (outcome.verdict, world.gateway.requests().len(), outcome.evidence.len()),
        (Verdict::Pass, 0, 2)
    );
}

#[tokio::test]
async fn no_token_and_no_credential_is_in_the_evidence_even_if_the_answer_repeats_it() {
    let directory = tempfile::tempdir().unwrap();
    let body = format!("you sent {TOKEN} and Bearer abcdef and session=1234");
    let response =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Echo: {TOKEN}\r\n\r\n{body}", body.len());
    let script = vec![Step::read_head(), Step::send(&response)];
    let server = ScriptedUpstream::start(vec![script]).await;
    let context = GateContext {
        instances: vec![instance(server.address())],
        gateway: Some(server.address()),
        preview: Some(("X-Look".to_owned(), TOKEN.to_owned())),
        ..context(&directory)
    };
    let request = json!({"path": "/", "headers": {"Authorization": "Bearer abcdef", "Cookie": "session=1234"},
        "expect": {"body_contains": "nothing like that", "headers": {"x-echo": "other"}}});
    let outcome = run(one(request), &context).await;
    assert_eq!((outcome.verdict, outcome.evidence.len()), (Verdict::Fail, 2));
    let sent = String::from_utf8(server.received().concat()).unwrap();
    assert!(sent.contains("Bearer abcdef") && sent.contains(TOKEN), "{sent}");
    let text = format!("{outcome:?}");
    assert!(text.contains("you sent *** and *** and ***"), "{text}");
    for secret in [TOKEN, "Bearer abcdef", "session=1234"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    let mut script =
        vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")];
    script.extend(std::iter::repeat_n(Step::send(&chunk), 20));
    script.push(Step::ReadToEnd);
    let server = ScriptedUpstream::start(vec![script]).await;
    let context = GateContext { instances: vec![instance(server.address())], ..context(&directory) };
    let request = json!({"path": "/", "expect": {"body_contains": "xxx"}});
    let outcome = run(one(request), &context).await;
    assert_eq!(outcome.verdict, Verdict::Fail);
    assert!(outcome.evidence.iter().any(|line| line.contains("more than 1048576 bytes")), "{outcome:?}");
}
