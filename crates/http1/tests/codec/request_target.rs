//! The four forms of a request target, and what is in none of them.

use http1::{Form, Limits, RequestError, RequestHead};

use crate::request_head::{error_of, parse};

fn head(method: &str, target: &str, host: &str) -> Result<RequestHead, RequestError> {
    parse(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
}

fn error(method: &str, target: &str) -> RequestError {
    error_of(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
}

#[test]
fn an_origin_form_is_split_at_the_first_question_mark() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/a?", "/a", Some("")),
        ("/a?b?c", "/a", Some("b?c")),
        ("//x/../%2e", "//x/../%2e", None),
        ("/?/", "/", Some("/")),
        ("/{a}|\"<>\\^`", "/{a}|\"<>\\^`", None),
    ] {
        let head = head("GET", target, "a").unwrap();
        assert_eq!((head.form(), head.path(), head.query()), (Form::Origin, path, query), "{target}");
        assert_eq!(head.target(), target);
    }
}

#[test]
fn an_absolute_form_is_reduced_to_path_and_query() {
    for (target, path, query) in [
        ("http://a", "/", None),
        ("HTTP://A/", "/", None),
        ("http://a?q", "/", Some("q")),
        ("http://a:80/b?c", "/b", Some("c")),
        ("http://a/http://b/", "/http://b/", None),
    ] {
        let head = head("GET", target, "a").unwrap();
        assert_eq!((head.form(), head.path(), head.query()), (Form::Absolute, path, query), "{target}");
    }
    assert_eq!(head("OPTIONS", "http://a", "a").unwrap().path(), "*");
    assert_eq!(head("OPTIONS", "http://a/", "a").unwrap().path(), "/");
    assert_eq!(head("OPTIONS", "http://a?", "a").unwrap().path(), "/");
}

#[test]
fn the_authority_form_is_for_connect_alone() {
    let connect = head("CONNECT", "a:443", "a:443").unwrap();
    assert_eq!((connect.form(), connect.path(), connect.host()), (Form::Authority, "", "a:443"));
    assert_eq!(error("GET", "a:443"), RequestError::InvalidTarget);
    for target in ["/", "a", "http://a/", "*", "a:443/", "u@a:443", "a:99999"] {
        assert_eq!(error("CONNECT", target), RequestError::InvalidTarget, "{target}");
    }
}

#[test]
fn the_asterisk_form_is_for_options_alone() {
    let options = head("OPTIONS", "*", "a").unwrap();
    assert_eq!((options.form(), options.path(), options.query()), (Form::Asterisk, "*", None));
    assert_eq!(error("GET", "*"), RequestError::InvalidTarget);
    assert_eq!(error("OPTIONS", "*x"), RequestError::InvalidTarget);
}

#[test]
fn what_has_no_form_is_refused() {
    for target in ["a", "a/b", "?q", "ftp://a/", "http:/a", "http//a", ":", "\\", "javascript:alert(1)"] {
        assert_eq!(error("GET", target), RequestError::InvalidTarget, "{target}");
    }
    for target in ["http://", "http:///x", "http://u@a/", "http://a:b/", "http://?q"] {
        assert_eq!(error("GET", target), RequestError::InvalidHost, "{target}");
    }
}

#[test]
fn a_fragment_is_refused() {
    assert_eq!(error("GET", "/a#b"), RequestError::FragmentInTarget);
    assert_eq!(error("GET", "/a?b#"), RequestError::FragmentInTarget);
    assert_eq!(error("GET", "#"), RequestError::FragmentInTarget);
}

#[test]
fn spaces_controls_and_bytes_beyond_ascii_are_refused() {
    for target in ["/\u{e9}", "/\x01", "/\x7f", "/\0", "/a\tb", ""] {
        assert_eq!(error("GET", target), RequestError::InvalidTarget, "{target:?}");
    }
    assert_eq!(error_of(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"), RequestError::InvalidTarget);
    assert_eq!(error("GET", "/a b"), RequestError::InvalidVersion);
    assert_eq!(error("GET", " /"), RequestError::InvalidTarget);
}

#[test]
fn a_target_above_its_bound_is_a_414_before_it_ends() {
    let limits = Limits { target_bytes: 16, ..Limits::default() };
    let parse = |input: &str| RequestHead::default().parse(input.as_bytes(), &limits);
    assert!(parse("GET /23456789abcdef0 HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    for input in ["GET /23456789abcdef01 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /23456789abcdef01"] {
        let error = parse(input).unwrap_err();
        assert_eq!((error, error.status()), (RequestError::TargetTooLong, 414));
    }
}

#[test]
fn a_request_line_longer_than_a_head_may_be_is_a_414() {
    let limits = Limits { head_bytes: 64, ..Limits::default() };
    for input in [format!("GET /{}", "x".repeat(100)), format!("GET /{} HTTP/1.1\r\n", "x".repeat(52))] {
        let error = RequestHead::default().parse(input.as_bytes(), &limits);
        assert_eq!(error, Err(RequestError::TargetTooLong), "{input}");
    }
}
