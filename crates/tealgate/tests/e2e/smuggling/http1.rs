//! Bytes that two parsers could read differently, sent to the built binary. Behind it stands hyper, which counts what
//! it took for requests, with a tap before it that keeps the bytes: what the client got answered and what the upstream
//! understood must be the same requests, and nothing that was hidden in another one may come out as one.

use super::{HIDDEN, Stage};
use crate::harness::gate::Gate;
use crate::harness::world::World;
use serde_json::json;
use testkit::clock::eventually;
use testkit::raw::RawClient;

impl Stage {
    /// Sends bytes, says that no more come, and gives the statuses of the answers.
    async fn answers(&self, bytes: &str) -> Vec<u16> {
        let mut client = RawClient::connect(self.gate.gateway()).await;
        client.send(latin1(bytes)).await;
        let last = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        client.send(last).await;
        statuses(&client.read_to_end().await)
    }

    /// The targets that hyper has read, each with its body whole, since the last call with `since` of them.
    fn understood(&self, since: usize) -> Vec<String> {
        let requests = self.upstream.requests();
        requests.into_iter().skip(since).filter(|got| got.complete).map(|got| got.target).collect()
    }
}

/// What comes back, to the end of the connection.
async fn asked(gate: &Gate, bytes: &str) -> String {
    let mut client = RawClient::connect(gate.gateway()).await;
    client.send(bytes).await;
    client.read_to_end().await
}

/// Each character is a byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect()
}

fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

/// Name, bytes, status. After each comes the hidden request, and then one more.
const REFUSED: &[(&str, &str, u16)] = &[
    (
        "CL.TE",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE.CL",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n21\r\n",
        400,
    ),
    (
        "TE.TE: second",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE.TE: first",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE.TE: list",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    ("TE: prefix", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (
        "TE: vertical tab",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE: blank in the name",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("TE: folded", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    (
        "TE: after a bare LF",
        "POST / HTTP/1.1\r\nHost: h\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "TE: after a bare CR",
        "POST / HTTP/1.1\r\nHost: h\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("TE: quoted", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    (
        "TE: with a parameter",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("TE: over 1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("CL: twice", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\n", 400),
    (
        "CL: twice the same",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        400,
    ),
    ("CL: list", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 34\r\n\r\n", 400),
    ("CL: plus", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n", 400),
    ("CL: hexadecimal", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x0\r\n\r\n", 400),
    ("CL: overflow", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    (
        "CL: by Connection",
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: content-length\r\nContent-Length: 33\r\n\r\n",
        400,
    ),
    ("CL: underscore is no CL", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length\u{0}: 34\r\n\r\n", 400),
    ("chunk: 0x", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", 400),
    ("chunk: minus", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    (
        "chunk: overflow",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        400,
    ),
    (
        "chunk: overlong zeros",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000000000000000000000000\r\n\r\n",
        400,
    ),
    (
        "chunk: LF after the size",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
        400,
    ),
    (
        "chunk: LF in an extension",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
        400,
    ),
    (
        "chunk: CR in an extension",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\nx\r\n0\r\n\r\n",
        400,
    ),
    (
        "chunk: longer than said",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
        400,
    ),
    ("chunk: no size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n;a\r\n\r\n", 400),
    (
        "trailer: folded",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n",
        400,
    ),
    (
        "trailer: bare LF",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
        400,
    ),
    ("host: twice", "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
    ("host: differs from the target", "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("host: user information", "GET / HTTP/1.1\r\nHost: a@h\r\n\r\n", 400),
    ("line: obs-fold", "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\tz: a\r\n\r\n", 400),
    ("line: blank first", "GET / HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n", 400),
    ("line: NUL", "GET / HTTP/1.1\r\nHost: h\r\nX: a\u{0}b\r\n\r\n", 400),
    ("line: no colon", "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", 400),
    ("target: blank", "GET / /hidden HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("version: 0.9", "GET /\r\n\r\n", 400),
    ("version: 2.0 in clear text", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
];

#[tokio::test]
async fn what_is_ambiguous_is_refused_and_nothing_hidden_comes_out() {
    let stage = Stage::set().await;
    let mut wrong = Vec::new();
    for (name, bytes, status) in REFUSED {
        let before = stage.upstream.requests().len();
        let answers = stage.answers(&format!("GET /first HTTP/1.1\r\nHost: h\r\n\r\n{bytes}{HIDDEN}")).await;
        // A body that turns out wrong after its head was passed on ends the connection all the same.
        if answers != [200, *status] {
            wrong.push(format!("{name}: {answers:?}, not 200 and {status}"));
        }
        let understood = stage.understood(before);
        if understood != ["/first"] {
            wrong.push(format!("{name}: the upstream understood {understood:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let sent = String::from_utf8_lossy(&stage.tap.sent().concat()).into_owned();
    assert!(!sent.contains("hidden"), "{sent}");
}

/// Name, bytes, and what the upstream is sent instead, behind its first line.
const MADE_PLAIN: &[(&str, &str, &str)] = &[
    ("0.CL", "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n", "content-length: 33\r\n"),
    (
        "chunk extensions are dropped",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n21;a=b;c=\"d\"\r\n",
        "\r\n\r\n21\r\n",
    ),
    (
        "one empty line",
        "\r\nPOST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n",
        "content-length: 33\r\n",
    ),
    ("absolute-form", "POST http://h/a HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n", "host: h\r\n"),
    ("obs-text", "POST /a HTTP/1.1\r\nHost: h\r\nX: \u{e9}\r\nContent-Length: 33\r\n\r\n", "x: \u{e9}\r\n"),
    ("dots", "POST /b/../%61 HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\n", "post /a http/1.1\r\n"),
];

#[tokio::test]
async fn what_can_be_said_plainly_is_sent_on_plainly_with_the_hidden_request_as_its_body() {
    let stage = Stage::set().await;
    for (name, bytes, plain) in MADE_PLAIN {
        let (before, sent_before) = (stage.upstream.requests().len(), stage.tap.sent().concat().len());
        let end = if bytes.contains("chunked") { "\r\n0\r\n\r\n" } else { "" };
        let answers = stage.answers(&format!("{bytes}{HIDDEN}{end}")).await;
        assert_eq!(answers, [200, 200], "{name}");
        assert_eq!(stage.understood(before), ["/a", "/last"], "{name}");
        assert_eq!(stage.upstream.requests()[before].body_bytes, HIDDEN.len() as u64, "{name}");
        let kept = stage.tap.sent().concat();
        // The pooled connection is the same one throughout, so the bytes are in order.
        let sent: String = kept[sent_before..].iter().copied().map(char::from).collect();
        assert!(sent.to_lowercase().contains(plain), "{name}: {sent}");
        assert_eq!(
            sent.to_lowercase().matches("transfer-encoding").count(),
            usize::from(!end.is_empty()),
            "{name}: {sent}"
        );
    }
    assert_eq!(stage.tap.sent().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_takes_a_body_for_a_request_cannot_answer_another_client() {
    // CL.0: it answers before it has read the body, reads the body as a request, and answers that, too.
    use testkit::scripted::{ScriptedUpstream, Step};
    const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let world = World::new();
    let fooled = vec![
        Step::read_head(),
        Step::send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        Step::ReadUntil(b"/hidden HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        Step::send(POISON),
        Step::read_head(),
    ];
    let honest = vec![Step::read_head(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest")];
    let mut upstream = ScriptedUpstream::start(vec![fooled, honest]).await;
    let gate = Gate::start(&world).await;
    let nodes = json!({ upstream.address().to_string(): 1 });
    gate.admin()
        .put("routes/r", &json!({"uri": "/*", "upstream": {"type": "roundrobin", "nodes": nodes}}))
        .await;
    let attack = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    );
    let answer = asked(&gate, &attack).await;
    assert!(answer.ends_with("ok"), "{answer}");
    let poisoned = async || upstream.received().first().is_some_and(|got| got.ends_with(HIDDEN.as_bytes()));
    eventually("the body", poisoned).await;
    // Whether the second answer has arrived by now or not: it belongs to nobody.
    let victim =
        RawClient::exchange(gate.gateway(), "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(!victim.contains("poison"), "{victim}");
    drop(gate);
    upstream.finished(1).await;
}
