//! Upstreams that speak HTTP/2: bodies, trailers, retries, shared connections, what they do wrong.

use crate::support::{Client, Gate, get, route, settings, upstream_with};
use gateway::{Settings, UpstreamHttp2};
use model::resource::Kind;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::clock::eventually;
use testkit::frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, WINDOW_UPDATE, block, frame};
use testkit::http2::{Http2Upstream, Rules};
use testkit::scripted::{ScriptedUpstream, Step};
use testkit::upstream::{Behaviour, Upstream};
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Everything to one upstream of HTTP/2.
fn resources(addresses: &[SocketAddr], more: &Value) -> [(Kind, Value); 2] {
    let mut upstream = upstream_with("u", addresses, more);
    if upstream.1.get("scheme").is_none() {
        upstream.1["scheme"] = json!("grpc");
    }
    [upstream, route(&json!({"upstream_id": "u"}))]
}

async fn gate(upstream: &Http2Upstream) -> Gate {
    Gate::with(settings(), &resources(&[upstream.address()], &json!({}))).await
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h:81\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The payload of a chunked answer.
fn payload(chunks: &str) -> String {
    let (mut rest, mut payload) = (chunks, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        payload.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    payload
}

async fn ask(client: &mut Client, request: impl AsRef<[u8]>) -> (u16, String) {
    client.0.send(request).await;
    answer(client).await
}

/// Status and payload of the next answer.
async fn answer(client: &mut Client) -> (u16, String) {
    let answer = client.answer(false).await;
    let chunked = answer.header("transfer-encoding").is_some();
    (answer.status, if chunked { payload(&answer.body) } else { answer.body })
}

/// The frames of a node that answers nothing: its settings, and that it goes away without having processed anything.
fn goes_away() -> Vec<u8> {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let go_away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    [&settings[..], &go_away].concat()
}

#[tokio::test]
async fn a_request_of_http1_is_answered_by_http2() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    let request = "POST /echo?a=%7Bb HTTP/1.1\r\nHost: h:81\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\
                   Connection: x-gone\r\nX-Gone: x\r\nTE: trailers, gzip\r\nCookie: a=b\r\n\r\nhello";
    for _ in 0..3 {
        let answer = client.ask(request).await;
        assert_eq!((answer.status, payload(&answer.body).as_str()), (200, "hello"), "{}", answer.head);
        assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.head);
    }
    assert_eq!(upstream.connections(), 1);
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.head.uri.to_string(), "http://h:81/echo?a=%7Bb");
    let values = |name: &str| {
        let values = seen.head.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        [values("x-a"), values("te"), values("content-length")],
        [vec!["1".to_owned(), "2".to_owned()], vec!["trailers".to_owned()], vec!["5".to_owned()]]
    );
    assert_eq!(values("x-forwarded-for"), ["127.0.0.1"]);
    assert!(["x-gone", "connection", "host", "transfer-encoding"].iter().all(|name| values(name).is_empty()));
    assert_eq!(gate.settled().await.whole[1], 3);
}

#[tokio::test]
async fn a_chunked_body_and_its_trailers_go_both_ways() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    let request = "POST /bidi HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n\
                   0\r\nX-Sum: 5\r\nContent-Length: 7\r\n\r\n";
    client.0.send(request).await;
    let head = client.0.read_head().await;
    assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
    let body = client.0.read_until("0\r\nx-sum: 5\r\n\r\n").await;
    assert!(body.ends_with("\r\n0\r\nx-sum: 5\r\n\r\n"), "{body}");
    let trailers = upstream.seen().remove(0).trailers.unwrap();
    assert_eq!((trailers.len(), trailers["x-sum"].as_bytes()), (1, &b"5"[..]));
    assert_eq!(ask(&mut client, get("/size/3")).await.1, "abc");
}

#[tokio::test]
async fn neither_direction_waits_for_the_other() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    client.0.send("POST /bidi HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert!(client.0.read_head().await.starts_with("HTTP/1.1 200"));
    for piece in ["one", "two"] {
        client.0.send(format!("3\r\n{piece}\r\n")).await;
        assert_eq!(client.0.read_until(&format!("3\r\n{piece}\r\n")).await, format!("3\r\n{piece}\r\n"));
    }
    client.0.send("0\r\n\r\n").await;
    assert_eq!(client.0.read_until("0\r\n\r\n").await, "0\r\n\r\n");
    assert_eq!(gate.settled().await.whole[1], 1);
}

#[tokio::test]
async fn much_flows_both_ways_through_small_windows() {
    let upstream = Http2Upstream::start(Rules { window_bytes: 1_000, ..Rules::default() }).await;
    let more = UpstreamHttp2 { stream_window_bytes: 16 * 1024, ..UpstreamHttp2::default() };
    let settings = Settings { upstream_http2: more, ..settings() };
    let gate = Gate::with(settings, &resources(&[upstream.address()], &json!({}))).await;
    let body: String = (b'a'..=b'z').cycle().take(1_000_000).map(char::from).collect();
    let request = post("/echo", &body).replacen("Host", "Connection: close\r\nHost", 1);
    let mut client = gate.client().await;
    client.0.send(request).await;
    let (head, echo) = (client.0.read_head().await, client.0.read_to_end().await);
    assert!(head.starts_with("HTTP/1.1 200") && payload(&echo) == body, "{head}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_up_its_own_stream_alone() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut stuck = gate.client().await;
    stuck.0.send(get("/size/30000000")).await;
    stuck.0.read_head().await;
    let mut other = gate.client().await;
    assert_eq!(ask(&mut other, get("/size/300000")).await.1.len(), 300_000);
    assert_eq!(upstream.connections(), 1);
    drop(stuck);
    upstream.saw("the cancelled stream", |seen| seen[0].reset == Some(8)).await;
}

#[tokio::test]
async fn small_frames_that_clients_do_not_take_do_not_end_their_connection() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    // Of all clients more frames than may be unread.
    let crumbs = 60_000;
    let mut stuck = Vec::new();
    for number in 0..4 {
        let mut client = Frames::with(gate.address(), &[(4, 0)]).await;
        let path = format!("/crumbs/{crumbs}");
        let head = [(":method", "GET"), (":scheme", "http"), (":path", path.as_str()), (":authority", "h")];
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&head))).await;
        assert_eq!(client.next_of(HEADERS).await.unwrap().stream, 1);
        upstream.saw("the request", |seen| seen.len() > 2 * number).await;
        assert_eq!(ask(&mut gate.client().await, get("/size/300000")).await.1.len(), 300_000);
        stuck.push(client);
    }
    for client in &mut stuck {
        client.send(frame(WINDOW_UPDATE, 0, 1, &0x7000_0000_u32.to_be_bytes())).await;
        client.send(frame(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes())).await;
        let mut received = 0;
        loop {
            let data = client.next_of(DATA).await.unwrap();
            received += data.payload.len();
            if data.flags & END_STREAM != 0 {
                break;
            }
        }
        assert_eq!(received, crumbs);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_stream_and_no_other() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    for path in ["/held", "/opened"] {
        let (mut leaves, mut stays) = (gate.client().await, gate.client().await);
        leaves.0.send(get(path)).await;
        upstream.saw("its request", |seen| seen.len() % 2 == 1).await;
        stays.0.send(get("/held")).await;
        upstream.saw("both requests", |seen| seen.len() % 2 == 0).await;
        drop(leaves);
        upstream.saw("the cancelled stream", |seen| seen[seen.len() - 2].reset == Some(8)).await;
        upstream.release(1);
        assert_eq!(stays.answer(false).await.status, 200);
    }
    assert_eq!(upstream.connections(), 1);
    let counts = gate.settled().await;
    assert_eq!((counts.client_left, counts.whole[1]), (2, 2));
}

#[tokio::test]
async fn a_head_that_ends_the_stream_is_a_whole_answer() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    let answer = client.ask(post("/trailers-only", "x")).await;
    assert_eq!(
        (answer.status, answer.header("grpc-status"), payload(&answer.body)),
        (200, Some("5"), String::new())
    );
    assert_eq!(client.ask("HEAD /size/0 HTTP/1.1\r\nHost: h\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn interim_answers_are_passed_on() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    client.0.send(post("/interim", "x")).await;
    let interim = client.0.read_head().await;
    assert!(interim.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n"), "{interim}");
    assert_eq!(answer(&mut client).await.1, "x");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_has_ended_is_whole() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    client.0.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(answer(&mut client).await, (200, "enough".to_owned()));
    assert_eq!(gate.settled().await.whole[1], 1);
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_its_method() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let answered = ask(&mut gate.client().await, post("/refuse/1", "pay once")).await;
    assert_eq!(answered, (200, "pay once".to_owned()));
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_refused_stream_is_not_sent_again_if_its_body_was_not_kept() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let settings = Settings { replay_bytes: 4, ..settings() };
    let gate = Gate::with(settings, &resources(&[upstream.address()], &json!({}))).await;
    assert_eq!(gate.ask(post("/refuse/1", "long body")).await.status, 502);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_node_that_refuses_everything_is_asked_twice_and_then_the_next() {
    let (refuses, serves) =
        (Http2Upstream::start(Rules::default()).await, Http2Upstream::start(Rules::default()).await);
    let nodes = resources(&[refuses.address(), serves.address()], &json!({}));
    let gate = Gate::with(settings(), &nodes).await;
    for _ in 0..2 {
        let _ = serves.seen();
        // Both count their own refusals, so whoever comes second has refused nothing yet.
        assert!([200, 502].contains(&gate.ask(post("/refuse/2", "x")).await.status));
    }
    assert!(refuses.seen().len() >= 2);
}

#[tokio::test]
async fn a_stream_that_going_away_did_not_process_is_sent_again() {
    let serves = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
    let preface = || Step::ReadUntil(b"SM\r\n\r\n".to_vec());
    let scripts = vec![
        vec![preface(), Step::Send(goes_away()), Step::ReadToEnd],
        vec![preface(), Step::Send(serves.to_vec()), Step::ReadToEnd],
    ];
    let upstream = ScriptedUpstream::start(scripts).await;
    let gate = Gate::with(settings(), &resources(&[upstream.address()], &json!({}))).await;
    assert_eq!(gate.ask(post("/", "pay once")).await.status, 200);
    assert_eq!(upstream.received().len(), 2);
}

#[tokio::test]
async fn a_connection_that_goes_away_finishes_what_it_has_and_gets_no_more() {
    let upstream = Http2Upstream::start(Rules { goaway_after: Some(2), ..Rules::default() }).await;
    let gate = gate(&upstream).await;
    let mut held = gate.client().await;
    held.0.send(post("/held", "first")).await;
    upstream.saw("the first request", |seen| seen.len() == 1).await;
    let mut client = gate.client().await;
    for number in 0..20 {
        assert_eq!(client.ask(post("/echo", "x")).await.status, 200, "{number}");
    }
    assert!(upstream.connections() > 1);
    upstream.release(1);
    assert_eq!(answer(&mut held).await.1, "first");
    let counts = gate.settled().await;
    assert_eq!((counts.whole[1], counts.cut_short), (21, 0));
}

#[tokio::test]
async fn streams_beyond_what_a_connection_takes_go_to_another() {
    let upstream = Http2Upstream::start(Rules { max_streams: 2, ..Rules::default() }).await;
    let gate = gate(&upstream).await;
    let mut clients = Vec::new();
    for number in 0..6 {
        let mut client = gate.client().await;
        client.0.send(post("/held", "x")).await;
        clients.push(client);
        upstream.saw("the request", |seen| seen.len() == number + 1).await;
    }
    assert_eq!(upstream.connections(), 3);
    upstream.release(6);
    for client in &mut clients {
        assert_eq!(client.answer(false).await.status, 200);
    }
}

#[tokio::test]
async fn beyond_the_last_connection_requests_wait_and_beyond_that_they_are_refused() {
    let upstream = Http2Upstream::start(Rules { max_streams: 1, ..Rules::default() }).await;
    let bounds = UpstreamHttp2 { connections: 1, waiting: 1, ..UpstreamHttp2::default() };
    let settings = Settings { upstream_http2: bounds, ..settings() };
    let gate = Gate::with(settings, &resources(&[upstream.address()], &json!({}))).await;
    let (mut first, mut second) = (gate.client().await, gate.client().await);
    first.0.send(post("/held", "first")).await;
    upstream.saw("the first request", |seen| seen.len() == 1).await;
    second.0.send(post("/echo", "second")).await;
    eventually("two open requests", async || gate.counts().open == 2).await;
    assert_eq!(gate.ask(post("/echo", "third")).await.status, 503);
    upstream.release(1);
    assert_eq!(answer(&mut first).await.1, "first");
    assert_eq!(answer(&mut second).await.1, "second");
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_request_does_not_wait_for_a_stream_for_ever() {
    let upstream = Http2Upstream::start(Rules { max_streams: 0, ..Rules::default() }).await;
    let bounds = UpstreamHttp2 { connections: 1, ..UpstreamHttp2::default() };
    let settings = Settings { upstream_http2: bounds, ..settings() };
    let limits = json!({"timeout": {"connect": 0.1, "send": 1, "read": 1}});
    let gate = Gate::with(settings, &resources(&[upstream.address()], &limits)).await;
    // The node says only with its settings that it takes no streams; who asked before has another answer.
    eventually("an answer", async || {
        let status = gate.ask(post("/echo", "x")).await.status;
        assert!([502, 503, 504].contains(&status), "{status}");
        status == 503
    })
    .await;
}

#[tokio::test]
async fn a_wait_for_a_stream_says_nothing_about_the_node() {
    let rules = Rules { max_streams: 1, ..Rules::default() };
    let (a, b) = (Http2Upstream::start(rules).await, Http2Upstream::start(rules).await);
    let bounds = UpstreamHttp2 { connections: 1, ..UpstreamHttp2::default() };
    let settings = Settings { upstream_http2: bounds, ..settings() };
    let never = json!({"interval": 100_000});
    let checks = json!({"active": {"healthy": never, "unhealthy": never},
                        "passive": {"unhealthy": {"timeouts": 1, "tcp_failures": 1}}});
    let more = json!({"checks": checks, "timeout": {"connect": 0.1, "send": 60, "read": 60}});
    let gate = Gate::with(settings, &resources(&[a.address(), b.address()], &more)).await;
    let mut held = [gate.client().await, gate.client().await];
    for (client, upstream) in held.iter_mut().zip([&a, &b]) {
        client.0.send(post("/held", "held")).await;
        upstream.saw("its request", |seen| seen.len() == 1).await;
    }
    assert_eq!(gate.ask(post("/echo", "x")).await.status, 503);
    for node in gate.gateway.health().upstreams.remove(0).nodes {
        assert_eq!((node.status.as_str(), node.timeouts, node.tcp_failures), ("healthy", 0, 0));
    }
    for (client, upstream) in held.iter_mut().zip([&a, &b]) {
        upstream.release(1);
        assert_eq!(answer(client).await.1, "held");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_before_its_head_is_a_502_and_after_it_a_cut() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    assert_eq!(gate.ask(post("/reset/2", "x")).await.status, 502);
    let mut client = gate.client().await;
    client.0.send(post("/cut/2", "x")).await;
    assert!(client.0.read_until("some").await.starts_with("HTTP/1.1 200"));
    upstream.release(1);
    assert_eq!(client.0.read_to_end().await, "\r\n");
    let counts = gate.settled().await;
    assert_eq!((counts.cut_short, upstream.connections()), (1, 1));
}

#[tokio::test]
async fn an_idempotent_request_that_was_reset_is_tried_on_the_next_node() {
    let (a, b) = (Http2Upstream::start(Rules::default()).await, Http2Upstream::start(Rules::default()).await);
    let gate = Gate::with(settings(), &resources(&[a.address(), b.address()], &json!({}))).await;
    assert_eq!(gate.ask(get("/reset/2")).await.status, 502);
    assert_eq!([a.seen().len(), b.seen().len()], [1, 1]);
    assert_eq!(gate.ask(post("/reset/2", "x")).await.status, 502);
    assert_eq!(a.seen().len() + b.seen().len(), 3);
}

#[tokio::test]
async fn a_length_that_is_not_kept_to_never_looks_whole() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    client.0.send(get("/lie")).await;
    let cut = client.0.read_to_end().await;
    assert!(cut.starts_with("HTTP/1.1 502") || !cut.contains("\r\n\r\nsome______"), "{cut}");
    assert_eq!(gate.settled().await.client_left, 0);
}

#[tokio::test]
async fn a_node_that_speaks_http1_is_no_answer() {
    let script = vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")];
    let upstream = ScriptedUpstream::start(vec![script]).await;
    let gate = Gate::with(settings(), &resources(&[upstream.address()], &json!({}))).await;
    assert_eq!(gate.ask(get("/")).await.status, 502);
}

#[tokio::test]
async fn the_label_speaks_http2_to_a_plain_upstream() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let more = json!({"scheme": "http", "labels": {"tealgate.protocol": "h2"}});
    let gate = Gate::with(settings(), &resources(&[upstream.address()], &more)).await;
    assert_eq!(ask(&mut gate.client().await, post("/echo", "x")).await.1, "x");
}

/// Speaks TLS before a plain server, and chooses among these protocols.
pub(crate) async fn tls_before(server: SocketAddr, protocols: &[&str]) -> SocketAddr {
    tls_together_before(server, protocols, 1).await
}

/// The same, where all connections but the first wait until there are so many of them.
async fn tls_together_before(server: SocketAddr, protocols: &[&str], together: usize) -> SocketAddr {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["h".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let barrier = Arc::new(Barrier::new(together));
        let mut is_first = true;
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, barrier) = (acceptor.clone(), Arc::clone(&barrier));
            let waits = !std::mem::take(&mut is_first);
            tokio::spawn(async move {
                if waits {
                    barrier.wait().await;
                }
                let Ok(mut client) = acceptor.accept(socket).await else { return };
                let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn http2_is_spoken_over_tls() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    for protocols in [&["h2"][..], &["http/1.1", "h2"], &[]] {
        let address = tls_before(upstream.address(), protocols).await;
        let gate = Gate::with(settings(), &resources(&[address], &json!({"scheme": "grpcs"}))).await;
        let answered = ask(&mut gate.client().await, post("/echo", "x")).await;
        assert_eq!(answered, (200, "x".to_owned()), "{protocols:?}");
        assert_eq!(upstream.seen().last().unwrap().head.uri.to_string(), "https://h:81/echo");
    }
    let address = tls_before(upstream.address(), &["http/1.1"]).await;
    let gate = Gate::with(settings(), &resources(&[address], &json!({"scheme": "grpcs"}))).await;
    assert_eq!(gate.ask(post("/echo", "x")).await.status, 502);
}

#[tokio::test]
async fn with_the_label_a_node_chooses_the_version_over_tls() {
    let more = json!({"scheme": "https", "labels": {"tealgate.protocol": "h2"}});
    let http2 = Http2Upstream::start(Rules::default()).await;
    let address = tls_before(http2.address(), &["h2", "http/1.1"]).await;
    let gate = Gate::with(settings(), &resources(&[address], &more)).await;
    assert_eq!(ask(&mut gate.client().await, post("/echo", "x")).await.1, "x");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh1";
    let script = vec![Step::read_head(), Step::send(answer), Step::read_head(), Step::send(answer)];
    let http1 = ScriptedUpstream::start(vec![script]).await;
    for protocols in [&["http/1.1"][..], &[]] {
        let address = tls_before(http1.address(), protocols).await;
        let gate = Gate::with(settings(), &resources(&[address], &more)).await;
        let mut client = gate.client().await;
        for _ in 0..2 {
            assert_eq!(client.ask(get("/")).await.body, "h1", "{protocols:?}");
        }
    }
    assert_eq!(http1.received().len(), 2, "one connection each");
}

#[tokio::test]
async fn to_a_node_that_chose_http1_no_connection_waits_for_another() {
    let upstream = Upstream::start("h1").await;
    upstream.behave(Behaviour::Held);
    let address = tls_together_before(upstream.address(), &["http/1.1"], 3).await;
    let more = json!({"scheme": "https", "labels": {"tealgate.protocol": "h2"}});
    let gate = Gate::with(settings(), &resources(&[address], &more)).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = gate.client().await;
        client.0.send(get("/")).await;
        clients.push(client);
    }
    upstream.arrived(4).await;
    upstream.release(4);
    for client in &mut clients {
        assert_eq!(client.answer(false).await.status, 200);
    }
}

#[tokio::test]
async fn connections_to_what_traffic_has_left_close_once_their_streams_have_ended() {
    let (blue, green) =
        (Http2Upstream::start(Rules::default()).await, Http2Upstream::start(Rules::default()).await);
    let gate = gate(&blue).await;
    let mut client: Client = gate.client().await;
    client.0.send(post("/held", "old")).await;
    blue.saw("the request", |seen| seen.len() == 1).await;
    gate.apply(&resources(&[green.address()], &json!({}))).await;
    assert_eq!(ask(&mut gate.client().await, post("/echo", "new")).await.1, "new");
    blue.release(1);
    assert_eq!(answer(&mut client).await.1, "old");
    assert_eq!([blue.seen().len(), green.seen().len()], [1, 1]);
    blue.closed(1).await;
}

#[tokio::test]
async fn idle_connections_beyond_the_pool_and_its_time_close() {
    let upstream = Http2Upstream::start(Rules { max_streams: 1, ..Rules::default() }).await;
    let pool = json!({"keepalive_pool": {"size": 1, "idle_timeout": 60, "requests": 1000}});
    let gate = Gate::with(settings(), &resources(&[upstream.address()], &pool)).await;
    let (mut one, mut two) = (gate.client().await, gate.client().await);
    one.0.send(post("/held", "1")).await;
    two.0.send(post("/held", "2")).await;
    upstream.saw("both requests", |seen| seen.len() == 2).await;
    upstream.release(2);
    assert_eq!([one.answer(false).await.status, two.answer(false).await.status], [200, 200]);
    upstream.closed(1).await;
    let pool = json!({"keepalive_pool": {"size": 1, "idle_timeout": 0.1, "requests": 1000}});
    gate.apply(&resources(&[upstream.address()], &pool)).await;
    assert_eq!(gate.ask(post("/echo", "x")).await.status, 200);
    upstream.closed(3).await;
}

#[tokio::test]
async fn a_connection_carries_as_many_requests_as_it_may() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let pool = json!({"keepalive_pool": {"size": 10, "idle_timeout": 60, "requests": 3}});
    let gate = Gate::with(settings(), &resources(&[upstream.address()], &pool)).await;
    let mut client = gate.client().await;
    for _ in 0..7 {
        assert_eq!(client.ask(post("/echo", "x")).await.status, 200);
    }
    let on: Vec<_> = upstream.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(on, [0, 0, 0, 1, 1, 1, 2]);
}

#[tokio::test]
async fn connections_that_come_and_go_lose_no_request() {
    let upstream = Http2Upstream::start(Rules::default()).await;
    let pool = json!({"keepalive_pool": {"size": 10, "idle_timeout": 60, "requests": 7}});
    let gate = Gate::with(settings(), &resources(&[upstream.address()], &pool)).await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..12 {
        let mut client = gate.client().await;
        clients.spawn(async move {
            for turn in 0..200 {
                let body = format!("{number}.{turn}");
                assert_eq!(ask(&mut client, post("/echo", &body)).await, (200, body));
            }
        });
    }
    clients.join_all().await;
    assert_eq!(gate.settled().await.whole[1], 2_400);
}
