//! The request line and the field section of a request.

use http1::{FieldError, Known, Limits, Parsed, RequestError, RequestHead, Version};

/// Parses a whole head.
pub(crate) fn parse(input: &[u8]) -> Result<RequestHead, RequestError> {
    let mut head = RequestHead::default();
    match head.parse(input, &Limits::default())? {
        Parsed::Complete { consumed } => assert_eq!(consumed, input.len(), "all of the input is the head"),
        Parsed::Partial => panic!("not a whole head: {}", input.escape_ascii()),
    }
    Ok(head)
}

/// What is wrong with a head that has `fields` beside a valid `Host`.
pub(crate) fn error_of_fields(fields: &str) -> RequestError {
    error_of(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
}

/// What is wrong with a head.
pub(crate) fn error_of(input: &[u8]) -> RequestError {
    match parse(input) {
        Ok(_) => panic!("accepted: {}", input.escape_ascii()),
        Err(error) => error,
    }
}

fn field_error(fields: &str) -> FieldError {
    match error_of_fields(fields) {
        RequestError::Field(error) => error,
        other => panic!("{other:?} is no error of a field"),
    }
}

#[test]
fn a_head_is_read_whole() {
    let head = parse(
        b"PATCH /a/b?c=d&e HTTP/1.1\r\nHost: Example.com:81\r\nX-One:\t 1 \r\nempty:\r\nX-One: 2\r\n\r\n",
    )
    .unwrap();
    assert_eq!((head.method(), head.target()), ("PATCH", "/a/b?c=d&e"));
    assert_eq!((head.path(), head.query()), ("/a/b", Some("c=d&e")));
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(
        (head.host(), head.host_name(), head.host_port()),
        ("Example.com:81", "Example.com", Some(81))
    );
    let headers: Vec<_> = head.headers().map(|header| (header.name, header.value)).collect();
    let expected: [(&str, &[u8]); 4] =
        [("Host", b"Example.com:81"), ("X-One", b"1"), ("empty", b""), ("X-One", b"2")];
    assert_eq!(headers, expected);
    assert_eq!(head.header("x-one"), Some(b"1".as_slice()));
    assert_eq!(head.header("x-two"), None);
    assert!(head.has(Known::Host) && !head.has(Known::Cookie));
}

#[test]
fn a_head_can_be_used_again_and_forgets_the_last_one() {
    let mut head = RequestHead::default();
    let limits = Limits::default();
    let first = b"POST /first?q HTTP/1.1\r\nHost: a\r\nCookie: \xff\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    head.parse(first, &limits).unwrap();
    assert!(head.expects_continue());
    head.parse(b"GET / HTTP/1.0\r\n\r\n", &limits).unwrap();
    assert_eq!((head.method(), head.path(), head.query(), head.host()), ("GET", "/", None, ""));
    assert_eq!(head.headers().count(), 0);
    assert!(!head.has(Known::Cookie) && !head.expects_continue() && !head.keep_alive());
    assert_eq!(head.framing(), http1::Framing::None);
}

#[test]
fn values_that_are_not_utf8_are_kept_byte_for_byte() {
    let head =
        parse(b"GET /p HTTP/1.1\r\nHost: a\r\nX-Latin: caf\xe9 \xff\r\nX-Utf8: caf\xc3\xa9\r\n\r\n").unwrap();
    assert_eq!(head.header("x-latin"), Some(b"caf\xe9 \xff".as_slice()));
    assert_eq!(head.header("x-utf8"), Some("café".as_bytes()));
    assert_eq!((head.path(), head.host()), ("/p", "a"));
}

#[test]
fn what_follows_the_head_is_not_touched() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET \0\n\n";
    let outcome = RequestHead::default().parse(input, &Limits::default());
    assert_eq!(outcome, Ok(Parsed::Complete { consumed: input.len() - 7 }));
}

#[test]
fn one_empty_line_before_the_request_line_is_skipped_and_a_second_is_not() {
    assert_eq!(parse(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().method(), "GET");
    assert_eq!(error_of(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), RequestError::EmptyLines);
    assert_eq!(error_of(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), FieldError::BareLf.into());
    assert_eq!(error_of(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"), FieldError::BareCr.into());
}

#[test]
fn any_token_is_a_method_and_nothing_else_is() {
    for method in ["GET", "get", "PROPFIND", "M-SEARCH", "!#$%&'*+-.^_`|~", &"M".repeat(32)] {
        let head = parse(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(head.method(), method);
    }
    for method in ["", "G@T", "G\tT", "G\u{e9}T", "(GET)", "GET:", " GET"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(error_of(input.as_bytes()), RequestError::InvalidMethod, "{method:?}");
    }
}

#[test]
fn a_method_has_at_most_32_bytes_and_that_is_said_before_it_ends() {
    let outcome = RequestHead::default().parse("M".repeat(33).as_bytes(), &Limits::default());
    assert_eq!(outcome, Err(RequestError::MethodTooLong));
    let whole = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33));
    assert_eq!(error_of(whole.as_bytes()), RequestError::MethodTooLong);
}

#[test]
fn only_http_1_0_and_1_1_are_spoken() {
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"] {
        let error = error_of(format!("GET / {version}\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!((error, error.status()), (RequestError::UnsupportedVersion, 505), "{version}");
    }
    for version in
        ["http/1.1", "HTTP/1.1 ", "HTTP/11", "HTTP/1.11", " HTTP/1.1", "ICY/1.1", "HTTP/1,1", "x HTTP/1.1"]
    {
        let error = error_of(format!("GET / {version}\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!((error, error.status()), (RequestError::InvalidVersion, 400), "{version:?}");
    }
    assert_eq!(error_of(b"GET /\r\n"), RequestError::InvalidTarget, "HTTP/0.9");
}

#[test]
fn the_preface_of_http2_has_an_error_of_its_own() {
    let error = error_of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12");
    assert_eq!((error, error.status()), (RequestError::Http2Preface, 505));
    let outcome = RequestHead::default().parse(b"PRI * HTTP/2.0\r\n\r\nSM", &Limits::default());
    assert_eq!(outcome, Ok(Parsed::Partial));
    assert_eq!(error_of(b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n"), RequestError::UnsupportedVersion);
}

#[test]
fn a_line_that_starts_with_white_space_is_refused() {
    assert_eq!(field_error("X: 1\r\n 2\r\n"), FieldError::LineFolding);
    assert_eq!(field_error("X: 1\r\n\t2\r\n"), FieldError::LineFolding);
    assert_eq!(field_error(" X: 1\r\n"), FieldError::LineFolding);
    assert_eq!(error_of(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"), FieldError::LineFolding.into());
}

#[test]
fn white_space_before_the_colon_is_refused() {
    for fields in ["X : 1\r\n", "X\t: 1\r\n", "Content-Length : 5\r\n", "X Y: 1\r\n"] {
        assert_eq!(field_error(fields), FieldError::SpaceBeforeColon, "{fields:?}");
    }
}

#[test]
fn a_name_that_is_no_token_is_refused() {
    for fields in
        [": 1\r\n", "X\r\n", "X(): 1\r\n", "X\u{e9}: 1\r\n", "X\0: 1\r\n", "\"X\": 1\r\n", "X\x7f: 1\r\n"]
    {
        assert_eq!(field_error(fields), FieldError::InvalidName, "{fields:?}");
    }
}

#[test]
fn control_characters_in_a_value_are_refused_and_a_tab_is_not() {
    for byte in (0..=0x1f).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')) {
        let value = char::from(byte);
        assert_eq!(field_error(&format!("X: a{value}b\r\n")), FieldError::InvalidValue, "{byte:#x}");
        assert_eq!(
            field_error(&format!("X: a-long-enough-value-for-vectors{value}\r\n")),
            FieldError::InvalidValue
        );
    }
    let head = parse(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb !~\r\n\r\n").unwrap();
    assert_eq!(head.header("x"), Some(b"a\tb !~".as_slice()));
}

#[test]
fn a_bare_cr_is_refused_wherever_it_stands() {
    for fields in ["X: a\rb\r\n", "X: a\r\r\n", "X:\r a\r\n", "\rX: a\r\n"] {
        assert_eq!(field_error(fields), FieldError::BareCr, "{fields:?}");
    }
    assert_eq!(error_of(b"GET / HTTP/1.1\rHost: a\r\n\r\n"), FieldError::BareCr.into());
    assert_eq!(error_of(b"GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n"), RequestError::InvalidTarget);
}

#[test]
fn a_bare_lf_is_refused_even_as_the_end_of_a_line() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\nY: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.0\n\n",
        "GET / HTTP/1.0\r\n\n",
        "GET / HTTP/1.0\n\r\n",
    ] {
        assert_eq!(error_of(head.as_bytes()), FieldError::BareLf.into(), "{head:?}");
    }
}

#[test]
fn too_many_fields_are_a_431() {
    let fields = |count: usize| "X: 1\r\n".repeat(count - 1);
    assert!(parse(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(128)).as_bytes()).is_ok());
    let error = error_of_fields(&fields(129));
    assert_eq!((error, error.status()), (FieldError::TooMany.into(), 431));
}

#[test]
fn a_head_above_its_bound_is_a_431_whether_or_not_it_ends() {
    let limits = Limits { head_bytes: 256, ..Limits::default() };
    let head = |len: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "v".repeat(len));
    let fits = head(256 - head(0).len());
    assert_eq!(
        RequestHead::default().parse(fits.as_bytes(), &limits),
        Ok(Parsed::Complete { consumed: 256 })
    );
    for input in [head(300), head(300)[..256].to_owned(), head(300)[..280].to_owned()] {
        let error = RequestHead::default().parse(input.as_bytes(), &limits).unwrap_err();
        assert_eq!((error, error.status()), (FieldError::TooLarge.into(), 431));
    }
    assert_eq!(RequestHead::default().parse(&head(300).as_bytes()[..255], &limits), Ok(Parsed::Partial));
}

#[test]
fn debug_output_shows_no_values() {
    let head = parse(b"GET /?key=hidden HTTP/1.1\r\nHost: a\r\nAuthorization: hidden\r\n\r\n").unwrap();
    let header = head.headers().last().unwrap();
    assert!(!format!("{head:?} {header:?}").contains("hidden"));
}
