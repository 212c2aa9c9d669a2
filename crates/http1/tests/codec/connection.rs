//! `Connection` and what hangs on it: persistence, hop-by-hop fields, upgrades, expectations.

use http1::{FieldError, Known, Limits, RequestError, RequestHead};

use crate::request_head::{error_of, error_of_fields, parse};
use crate::response_head;

fn head(fields: &str) -> RequestHead {
    parse(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).unwrap()
}

/// The names of the fields that may be forwarded.
fn end_to_end(head: &RequestHead) -> Vec<&str> {
    head.headers().filter(|header| !head.is_hop_by_hop(header)).map(|header| header.name).collect()
}

#[test]
fn http_1_1_persists_unless_it_says_close() {
    for (connection, persists) in [
        ("", true),
        ("Connection: keep-alive\r\n", true),
        ("Connection: close\r\n", false),
        ("Connection: CLOSE\r\n", false),
        ("Connection: keep-alive, close\r\n", false),
        ("Connection: x\r\nConnection: close\r\n", false),
        ("Connection: closed\r\n", true),
        ("Connection:\r\n", true),
        ("Connection: , ,\r\n", true),
    ] {
        assert_eq!(head(connection).keep_alive(), persists, "{connection:?}");
        let response = response_head::parse(&format!("HTTP/1.1 200 OK\r\n{connection}\r\n")).unwrap();
        assert_eq!(response.keep_alive(), persists, "{connection:?}");
    }
}

#[test]
fn http_1_0_persists_only_if_it_says_keep_alive() {
    for (connection, persists) in
        [("", false), ("Connection: Keep-Alive\r\n", true), ("Connection: keep-alive, close\r\n", false)]
    {
        let request = parse(format!("GET / HTTP/1.0\r\n{connection}\r\n").as_bytes()).unwrap();
        assert_eq!(request.keep_alive(), persists, "{connection:?}");
        let response = response_head::parse(&format!("HTTP/1.0 200 OK\r\n{connection}\r\n")).unwrap();
        assert_eq!(response.keep_alive(), persists, "{connection:?}");
    }
}

#[test]
fn the_fixed_hop_by_hop_fields_stay_here_even_if_connection_names_none() {
    let fields = "Keep-Alive: 5\r\nproxy-connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: p\r\n\
                  Proxy-Authenticate: p\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\n\
                  Accept: x\r\nTrailer: T\r\nCookie: c\r\n";
    assert_eq!(end_to_end(&head(fields)), ["Host", "Accept", "Trailer", "Cookie"]);
}

#[test]
fn what_connection_names_stays_here() {
    let head = head(
        "X-A: 1\r\nConnection: x-a, keep-alive\r\nX-B: 2\r\nX-C: 3\r\nconnection: X-C,,close\r\nX-AB: 4\r\n",
    );
    assert_eq!(end_to_end(&head), ["Host", "X-B", "X-AB"]);
}

#[test]
fn connection_must_not_name_an_end_to_end_field() {
    for (option, known) in [
        ("Host", Known::Host),
        ("content-length", Known::ContentLength),
        ("Transfer-Encoding", Known::TransferEncoding),
        ("Content-Type", Known::ContentType),
        ("Authorization", Known::Authorization),
        ("Cookie", Known::Cookie),
        ("X-Forwarded-For", Known::XForwardedFor),
        ("X-Real-IP", Known::XRealIp),
        ("Cache-Control", Known::CacheControl),
    ] {
        let error = error_of_fields(&format!("Connection: close, {option}\r\n"));
        assert_eq!((error, error.status()), (FieldError::ConnectionNamesEndToEnd(known).into(), 400));
        assert!(error.to_string().contains(&option.to_lowercase()), "{error}");
    }
}

#[test]
fn connection_is_a_short_list_of_tokens() {
    for value in ["a b", "a;b", "\"close\"", "close/1", "cl\u{e9}", &["x"; 33].join(",")] {
        assert_eq!(
            error_of_fields(&format!("Connection: {value}\r\n")),
            FieldError::InvalidConnection.into(),
            "{value}"
        );
    }
    assert!(head(&format!("Connection: {}\r\n", ["x"; 32].join(","))).keep_alive());
}

#[test]
fn an_upgrade_counts_only_if_connection_names_it() {
    let websocket = "Upgrade: websocket\r\n";
    assert_eq!(head(&format!("Connection: keep-alive, Upgrade\r\n{websocket}")).upgrade(), Some("websocket"));
    assert_eq!(head(&format!("{websocket}Connection: upgrade\r\n")).upgrade(), Some("websocket"));
    assert_eq!(head(websocket).upgrade(), None);
    assert_eq!(head("Connection: upgrade\r\n").upgrade(), None);
    assert_eq!(head("Connection: upgrade\r\nUpgrade: h2c, foo/2\r\n").upgrade(), Some("h2c, foo/2"));
    let old = parse(b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
    assert_eq!(old.upgrade(), None);
    let switched = format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n{websocket}\r\n");
    assert_eq!(response_head::parse(&switched).unwrap().upgrade(), Some("websocket"));
}

#[test]
fn an_upgrade_is_one_list_of_protocols() {
    for upgrade in
        ["Upgrade:\r\n", "Upgrade: web socket\r\n", "Upgrade: a/\r\n", "Upgrade: a\r\nUpgrade: b\r\n"]
    {
        let error = error_of_fields(&format!("Connection: upgrade\r\n{upgrade}"));
        assert_eq!(error, FieldError::InvalidUpgrade.into(), "{upgrade:?}");
    }
}

#[test]
fn a_client_waits_for_100_continue_only_with_content_over_http_1_1() {
    assert!(head("Expect: 100-Continue\r\nContent-Length: 1\r\n").expects_continue());
    assert!(head("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n").expects_continue());
    assert!(!head("Expect: 100-continue\r\nContent-Length: 0\r\n").expects_continue());
    assert!(!head("Expect: 100-continue\r\n").expects_continue());
    assert!(!head("Content-Length: 1\r\n").expects_continue());
    let old = parse(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").unwrap();
    assert!(!old.expects_continue());
}

#[test]
fn an_expectation_over_http_1_0_is_not_sent_on() {
    for (version, sent_on) in [("1.0", false), ("1.1", true)] {
        let mut head = RequestHead::default();
        let text =
            format!("POST / HTTP/{version}\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
        head.parse(text.as_bytes(), &Limits::default()).unwrap();
        let expect = head.headers().find(|header| header.known == Known::Expect).unwrap();
        assert_eq!(!head.is_hop_by_hop(&expect), sent_on, "{version}");
    }
}

#[test]
fn another_expectation_is_a_417() {
    for value in ["", "200-ok", "100-continue, x", "100-continue;q=1"] {
        let error = error_of(format!("GET / HTTP/1.1\r\nHost: a\r\nExpect: {value}\r\n\r\n").as_bytes());
        assert_eq!((error, error.status()), (RequestError::UnknownExpectation, 417), "{value:?}");
    }
}
