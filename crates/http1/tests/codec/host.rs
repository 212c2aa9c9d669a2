//! `Host`, and its agreement with the target.

use http1::RequestError;

use crate::request_head::{error_of, parse};

fn error(fields: &str) -> RequestError {
    error_of(format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes())
}

#[test]
fn http_1_1_needs_a_host_and_http_1_0_does_not() {
    assert_eq!(error(""), RequestError::MissingHost);
    assert_eq!(error_of(b"GET http://a/ HTTP/1.1\r\n\r\n"), RequestError::MissingHost);
    assert_eq!(parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().host(), "");
    let absolute = parse(b"GET http://b:81/ HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((absolute.host(), absolute.host_name(), absolute.host_port()), ("b:81", "b", Some(81)));
}

#[test]
fn a_repeated_host_is_refused() {
    assert_eq!(error("Host: a\r\nHost: a\r\n"), RequestError::RepeatedHost);
    assert_eq!(error("Host: a\r\nX: 1\r\nhOST: b\r\n"), RequestError::RepeatedHost);
    assert_eq!(error_of(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), RequestError::RepeatedHost);
}

#[test]
fn an_empty_or_invalid_host_is_refused() {
    for host in
        ["", " ", "a b", "a,b", "a, a", "a/b", "u@a", "a:", "a:x", "a:70000", "a%62", "[::1", "\u{e9}"]
    {
        assert_eq!(error(&format!("Host: {host}\r\n")), RequestError::InvalidHost, "{host:?}");
    }
    assert_eq!(error_of(b"GET / HTTP/1.0\r\nHost:\r\n\r\n"), RequestError::InvalidHost);
    assert_eq!(error_of(b"GET / HTTP/1.1\r\nHost: a\xff\r\n\r\n"), RequestError::InvalidHost);
}

#[test]
fn an_absolute_form_must_agree_with_host() {
    for (target, host) in [
        ("http://a/", "a"),
        ("http://A.example/", "a.EXAMPLE"),
        ("http://a/", "a:80"),
        ("http://a:80/", "a"),
        ("https://a/", "a:443"),
        ("http://a:81/", "a:81"),
        ("http://[::1]/", "[::1]:80"),
    ] {
        let head = parse(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(head.host(), host);
    }
    for (target, host) in [
        ("http://a/", "b"),
        ("http://a/", "a:81"),
        ("http://a:81/", "a"),
        ("https://a/", "a:80"),
        ("http://a/", "a."),
    ] {
        let error = error_of(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(error, RequestError::HostMismatch, "{target} {host}");
    }
}

#[test]
fn connect_must_agree_with_host() {
    assert!(parse(b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    assert_eq!(error_of(b"CONNECT a:443 HTTP/1.1\r\nHost: a:80\r\n\r\n"), RequestError::HostMismatch);
    assert_eq!(error_of(b"CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"), RequestError::HostMismatch);
}
