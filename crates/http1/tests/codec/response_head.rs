//! The status line and the field section of a response.

use http1::{FieldError, Known, Limits, Parsed, ResponseError, ResponseHead, Version};

/// Parses a whole head.
pub(crate) fn parse(input: &str) -> Result<ResponseHead, ResponseError> {
    parse_bytes(input.as_bytes())
}

fn parse_bytes(input: &[u8]) -> Result<ResponseHead, ResponseError> {
    let mut head = ResponseHead::default();
    match head.parse(input, &Limits::default())? {
        Parsed::Complete { consumed } => assert_eq!(consumed, input.len(), "all of the input is the head"),
        Parsed::Partial => panic!("not a whole head: {}", input.escape_ascii()),
    }
    Ok(head)
}

#[test]
fn a_head_is_read_whole() {
    let head =
        parse("HTTP/1.1 404 Not  Found\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n").unwrap();
    assert_eq!(
        (head.status(), head.reason(), head.version()),
        (404, b"Not  Found".as_slice(), Version::Http11)
    );
    assert_eq!(head.headers().count(), 3);
    assert_eq!(head.header("set-cookie"), Some(b"a".as_slice()));
    assert_eq!(head.values(Known::SetCookie).collect::<Vec<_>>(), [b"a", b"b"]);
    assert!(head.has(Known::Server) && !head.has(Known::Date));
}

#[test]
fn a_reason_may_be_empty_or_left_out_or_not_ascii() {
    assert_eq!(parse("HTTP/1.1 200 \r\n\r\n").unwrap().reason(), b"");
    assert_eq!(parse("HTTP/1.0 200\r\nX: 1\r\n\r\n").unwrap().reason(), b"");
    assert_eq!(parse_bytes(b"HTTP/1.1 200 \xe9t\xe9\r\n\r\n").unwrap().reason(), b"\xe9t\xe9");
}

#[test]
fn interim_responses_are_told_from_the_final_one() {
    for (status, interim) in [(100, true), (101, false), (102, true), (103, true), (199, true), (200, false)]
    {
        assert_eq!(parse(&format!("HTTP/1.1 {status} X\r\n\r\n")).unwrap().is_interim(), interim, "{status}");
    }
}

#[test]
fn what_is_no_status_line_is_refused() {
    for line in [
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 -20 OK",
        "http/1.1 200 OK",
        "HTTP/1.1200 OK",
        "ICY 200 OK",
        "HTTP/1.1",
        "200 OK",
        "HTTP/1.1 200 a\0b",
        "HTTP/1.1 200 a\rb",
        "HTTP/1.1 200\rOK",
    ] {
        let error = parse(&format!("{line}\r\n\r\n")).unwrap_err();
        assert_eq!(error, ResponseError::InvalidStatusLine, "{line:?}");
    }
    assert_eq!(parse("\r\nHTTP/1.1 200 OK\r\n\r\n").unwrap_err(), ResponseError::InvalidStatusLine);
}

#[test]
fn a_status_below_100_is_refused_and_one_above_599_is_passed_on() {
    assert_eq!(parse("HTTP/1.1 099 X\r\n\r\n").unwrap_err(), ResponseError::InvalidStatus);
    assert_eq!(parse("HTTP/1.1 999 X\r\n\r\n").unwrap().status(), 999);
}

#[test]
fn only_http_1_0_and_1_1_are_understood() {
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9"] {
        let error = parse(&format!("{version} 200 OK\r\n\r\n")).unwrap_err();
        assert_eq!(error, ResponseError::UnsupportedVersion, "{version}");
    }
}

#[test]
fn fields_are_held_to_the_rules_of_requests() {
    for (head, error) in [
        ("HTTP/1.1 200 OK\nX: 1\r\n\r\n", FieldError::BareLf),
        ("HTTP/1.1 200 OK\r\nX: 1\n\r\n", FieldError::BareLf),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n\n", FieldError::BareLf),
        ("HTTP/1.1 200\n\n", FieldError::BareLf),
        ("HTTP/1.1 200 OK\r\nX: 1\r2\r\n\r\n", FieldError::BareCr),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", FieldError::LineFolding),
        ("HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", FieldError::SpaceBeforeColon),
        ("HTTP/1.1 200 OK\r\nX\r\n\r\n", FieldError::InvalidName),
        ("HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n", FieldError::InvalidValue),
        (
            "HTTP/1.1 200 OK\r\nConnection: content-length\r\n\r\n",
            FieldError::ConnectionNamesEndToEnd(Known::ContentLength),
        ),
    ] {
        assert_eq!(parse(head).unwrap_err(), error.into(), "{head:?}");
    }
}

#[test]
fn bounds_hold_for_responses_too() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(129));
    assert_eq!(parse(&many).unwrap_err(), FieldError::TooMany.into());
    let limits = Limits { head_bytes: 64, ..Limits::default() };
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "v".repeat(100));
    assert_eq!(ResponseHead::default().parse(long.as_bytes(), &limits), Err(FieldError::TooLarge.into()));
    assert_eq!(ResponseHead::default().parse(&long.as_bytes()[..63], &limits), Ok(Parsed::Partial));
}
