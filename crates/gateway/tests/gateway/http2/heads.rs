//! What a request over HTTP/2 may say of itself (RFC 9113, section 8), and that nothing of it is smuggled on.

use super::super::support::Gate;
use testkit::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, PROTOCOL_ERROR, block, frame, pseudo,
};
use testkit::upstream::Upstream;

/// How a request with these fields and no content ends.
async fn ask(gate: &Gate, fields: &[(&str, &str)]) -> End {
    let mut client = Frames::connect(gate.address()).await;
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields))).await;
    client.end_of(1).await
}

/// How a request ends that says more than it must.
async fn with(gate: &Gate, method: &'static str, more: &[(&'static str, &'static str)]) -> End {
    ask(gate, &[&pseudo(method)[..], more].concat()).await
}

/// Whether it is a stream error, or a connection error, of type PROTOCOL_ERROR.
fn is_malformed(end: &End) -> bool {
    matches!(end, End::Reset(PROTOCOL_ERROR) | End::Closed(Some(PROTOCOL_ERROR)))
}

#[tokio::test]
async fn a_malformed_head_is_an_error_of_its_stream_and_reaches_no_upstream() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let get = pseudo("GET");
    let without = |name: &str| get.iter().copied().filter(|field| field.0 != name).collect::<Vec<_>>();
    let changed = |name: &str, value: &'static str| {
        get.iter().map(|field| if field.0 == name { (field.0, value) } else { *field }).collect::<Vec<_>>()
    };
    let mut cases = vec![
        without(":method"),
        without(":scheme"),
        without(":path"),
        [without(":path"), vec![("host", "h")]]
            .concat()
            .into_iter()
            .filter(|field| field.0 != ":authority")
            .collect(),
        changed(":path", ""),
        changed(":method", ""),
        changed(":method", "GET /x HTTP/1.1"),
        changed(":scheme", "ht tp"),
        [get.clone(), vec![(":method", "GET")]].concat(),
        [get.clone(), vec![(":path", "/")]].concat(),
        [vec![("x", "y")], get.clone()].concat(),
        [get.clone(), vec![(":unknown", "x")]].concat(),
        [get.clone(), vec![(":status", "200")]].concat(),
        [get.clone(), vec![(":protocol", "websocket")]].concat(),
        vec![(":method", "CONNECT"), (":authority", "h:80"), (":path", "/")],
        vec![(":method", "CONNECT"), (":authority", "h:80"), (":scheme", "http")],
        vec![
            (":method", "CONNECT"),
            (":authority", "h:80"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", "/"),
        ],
    ];
    for more in [
        ("X-Upper", "a"),
        ("connection", "close"),
        ("connection", "x"),
        ("keep-alive", "5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "trailers, deflate"),
        ("content-length", "1"),
        ("content-length", "x"),
        ("x", "a\r\nb: c"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x y", "a"),
        ("x:", "a"),
        ("", "a"),
        ("x\r\ny", "a"),
    ] {
        cases.push([get.clone(), vec![more]].concat());
    }
    for fields in &cases {
        let end = ask(&gate, fields).await;
        assert!(is_malformed(&end), "{fields:?}: {end:?}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_head_that_breaks_a_rule_of_ours_is_answered_and_reaches_no_upstream() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    for (more, status) in [
        (("host", "other"), 400),
        (("host", "h:81"), 400),
        (("x", " a"), 400),
        (("x", "a\t"), 400),
        (("expect", "200-maybe"), 417),
    ] {
        assert_eq!(with(&gate, "GET", &[more]).await, End::Answered(status), "{more:?}");
    }
    assert_eq!(
        with(&gate, "GET", &[("content-length", "0"), ("content-length", "0")]).await,
        End::Answered(400)
    );
    assert_eq!(with(&gate, "GET", &[("host", "h"), ("host", "h")]).await, End::Answered(400));
    let long = format!("/{}", "x".repeat(8 << 10));
    let named = |path, authority| {
        [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", authority)]
    };
    assert_eq!(ask(&gate, &named(&long, "h")).await, End::Answered(414));
    for path in ["x", "http://h/", "*", "/\u{e9}", "//h/../.."] {
        let end = ask(&gate, &named(path, "h")).await;
        assert!(end == End::Answered(400) || is_malformed(&end), "{path}: {end:?}");
    }
    for authority in ["a,b", "u@h", "h:", "h:123456"] {
        let end = ask(&gate, &named("/", authority)).await;
        assert!(end == End::Answered(400) || is_malformed(&end), "{authority}: {end:?}");
    }
    let nameless = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    assert_eq!(ask(&gate, &nameless).await, End::Answered(400));
    assert_eq!(ask(&gate, &[(":method", "CONNECT"), (":authority", "h:80")]).await, End::Answered(405));
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_head_within_the_rules_passes() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    for more in
        [("host", "H:80"), ("te", "trailers"), ("x-obs", "\u{e9}"), ("content-length", "0"), ("x", "")]
    {
        assert_eq!(with(&gate, "GET", &[more]).await, End::Answered(200), "{more:?}");
    }
    let by_host = [(":method", "GET"), (":scheme", "https"), (":path", "/"), ("host", "by-host")];
    assert_eq!(ask(&gate, &by_host).await, End::Answered(200));
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":path", "/x"), (":authority", "h")];
    assert_eq!(ask(&gate, &options).await, End::Answered(200));
    let hosts: Vec<_> = upstream.requests().iter().map(|request| request.headers["host"].clone()).collect();
    assert_eq!(hosts, ["h", "h", "h", "h", "h", "by-host", "h"]);
}

#[tokio::test]
async fn content_that_is_not_as_long_as_announced_is_an_error_of_its_stream() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for (length, pieces) in [
        ("1", vec![&b""[..]]),
        ("1", vec![&b"ab"[..]]),
        ("0", vec![&smuggled[..]]),
        ("3", vec![&b"a"[..], b"b"]),
        ("3", vec![&b"ab"[..], b"cd"]),
        ("3", vec![&b"abc"[..], smuggled]),
    ] {
        let mut client = Frames::connect(gate.address()).await;
        let head = block(&[&pseudo("POST")[..], &[("content-length", length)]].concat());
        let mut bytes = frame(HEADERS, END_HEADERS, 1, &head);
        let last = pieces.len() - 1;
        for (at, piece) in pieces.iter().enumerate() {
            bytes.extend(frame(DATA, if at == last { END_STREAM } else { 0 }, 1, piece));
        }
        client.send(bytes).await;
        let end = client.end_of(1).await;
        assert!(is_malformed(&end), "{length} {pieces:?}: {end:?}");
    }
    // Whatever of them reached the upstream was not whole, and never a request of its own.
    gate.settled().await;
    assert!(upstream.requests().iter().all(|request| !request.complete && request.target == "/"));
}

#[tokio::test]
async fn content_that_looks_like_http1_stays_content() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let content = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut client = Frames::connect(gate.address()).await;
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&pseudo("POST")))).await;
    client.send(frame(DATA, END_STREAM, 1, content)).await;
    assert_eq!(client.end_of(1).await, End::Answered(200));
    let requests = upstream.requests();
    assert_eq!((requests.len(), requests[0].body_bytes), (1, content.len() as u64));
}

#[tokio::test]
async fn trailers_are_held_to_the_rules_of_fields() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    for (field, is_well) in [(("x", "y"), true), (("connection", "x"), false), (("x", " y"), false)] {
        let mut client = Frames::connect(gate.address()).await;
        client.send(frame(HEADERS, END_HEADERS, 1, &block(&pseudo("POST")))).await;
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[field]))).await;
        let end = client.end_of(1).await;
        assert_eq!(end == End::Answered(200), is_well, "{field:?}: {end:?}");
    }
    for field in [(":path", "/"), (":method", "200"), (":status", "200"), (":x", "y")] {
        let mut client = Frames::connect(gate.address()).await;
        client.send(frame(HEADERS, END_HEADERS, 1, &block(&pseudo("POST")))).await;
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[field]))).await;
        assert!(is_malformed(&client.end_of(1).await), "{field:?}");
    }
    let mut client = Frames::connect(gate.address()).await;
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&pseudo("POST")))).await;
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))).await;
    assert!(is_malformed(&client.end_of(1).await), "trailers end the stream");
}

#[tokio::test]
async fn a_head_may_come_in_pieces() {
    let upstream = Upstream::start("blue").await;
    let gate = Gate::before(upstream.address()).await;
    let mut client = Frames::connect(gate.address()).await;
    let block = block(&pseudo("GET"));
    let (first, rest) = block.split_at(7);
    client.send(frame(HEADERS, END_STREAM, 1, first)).await;
    client.send(frame(CONTINUATION, 0, 1, &[])).await;
    client.send(frame(CONTINUATION, END_HEADERS, 1, rest)).await;
    assert_eq!(client.end_of(1).await, End::Answered(200));
}
