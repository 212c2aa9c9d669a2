//! Request heads that come from HTTP/2: the same rules, and what is written of them is one request.

use http1::{
    FieldError, Form, Framing, Known, Limits, Parsed, Pseudo, RequestError, RequestHead, Version,
    check_trailer_bounds, write,
};
use proptest::prelude::*;

const GET: Pseudo<'static> = Pseudo { method: "GET", scheme: "http", authority: Some("h"), path: Some("/") };

type Fields<'a> = &'a [(&'a str, &'a [u8])];

fn assemble(pseudo: Pseudo<'_>, fields: Fields<'_>, has_content: bool) -> Result<RequestHead, RequestError> {
    let mut head = RequestHead::default();
    head.assemble(pseudo, || fields.iter().copied(), has_content, &Limits::default())?;
    Ok(head)
}

fn refused(pseudo: Pseudo<'_>, fields: Fields<'_>) -> RequestError {
    assemble(pseudo, fields, false).expect_err("it breaks a rule")
}

#[test]
fn a_request_of_http2_reads_like_one_of_http1() {
    let pseudo = Pseudo { authority: Some("Example.com:8080"), path: Some("/a?b"), ..GET };
    let head = assemble(pseudo, &[("x-a", b"1"), ("te", b"trailers"), ("x-obs", b"\xff")], false).unwrap();
    assert_eq!(
        (head.method(), head.target(), head.form(), head.version()),
        ("GET", "/a?b", Form::Origin, Version::Http2)
    );
    assert_eq!((head.path(), head.query()), ("/a", Some("b")));
    assert_eq!(
        (head.host(), head.host_name(), head.host_port()),
        ("Example.com:8080", "Example.com", Some(8080))
    );
    assert_eq!((head.framing(), head.keep_alive(), head.upgrade()), (Framing::None, true, None));
    assert_eq!((head.header("x-a"), head.header("x-obs")), (Some(&b"1"[..]), Some(&b"\xff"[..])));
    let hop: Vec<_> =
        head.headers().filter(|field| head.is_hop_by_hop(field)).map(|field| field.name).collect();
    assert_eq!(hop, ["te"]);
}

#[test]
fn content_of_http2_has_a_length_if_one_was_announced() {
    let length: Fields<'_> = &[("content-length", b"3")];
    assert_eq!(assemble(GET, length, true).unwrap().framing(), Framing::Length(3));
    assert_eq!(assemble(GET, &[], true).unwrap().framing(), Framing::Chunked);
    assert_eq!(assemble(GET, &[("content-length", b"0")], false).unwrap().framing(), Framing::Length(0));
    assert_eq!(refused(GET, length), FieldError::InvalidContentLength.into());
    let twice: Fields<'_> = &[("content-length", b"0"), ("content-length", b"0")];
    assert_eq!(refused(GET, twice), FieldError::RepeatedContentLength.into());
    for value in [&b"+1"[..], b"1, 1", b"", b"0x1", b"9223372036854775808"] {
        let error = assemble(GET, &[("content-length", value)], true).unwrap_err();
        assert_eq!(error, FieldError::InvalidContentLength.into(), "{value:?}");
    }
}

#[test]
fn a_pseudo_field_that_is_missing_or_no_token_is_malformed() {
    for pseudo in [
        Pseudo { path: None, ..GET },
        Pseudo { path: Some(""), ..GET },
        Pseudo { method: "", ..GET },
        Pseudo { method: "GET /x", ..GET },
        Pseudo { method: "CONNECT", authority: None, path: None, ..GET },
        Pseudo { method: "CONNECT", ..GET },
    ] {
        assert_eq!(refused(pseudo, &[]), RequestError::MalformedPseudo, "{pseudo:?}");
    }
}

#[test]
fn a_path_is_in_origin_form_or_the_asterisk_of_options() {
    for path in ["x", "*", "http://h/", "/a b", "/a#b", "/\u{e9}", "/a\r\nb"] {
        assert_eq!(refused(Pseudo { path: Some(path), ..GET }, &[]), RequestError::InvalidTarget, "{path}");
    }
    let options = Pseudo { method: "OPTIONS", path: Some("*"), ..GET };
    assert_eq!(assemble(options, &[], false).unwrap().form(), Form::Asterisk);
    let long = format!("/{}", "x".repeat(Limits::default().target_bytes));
    assert_eq!(refused(Pseudo { path: Some(&long), ..GET }, &[]), RequestError::TargetTooLong);
    assert_eq!(refused(Pseudo { method: &"A".repeat(33), ..GET }, &[]), RequestError::MethodTooLong);
}

#[test]
fn the_authority_and_host_are_one() {
    let with = |scheme, authority, hosts: Fields<'_>| {
        assemble(Pseudo { scheme, authority, ..GET }, hosts, false).map(|head| head.host().to_owned())
    };
    assert_eq!(with("http", Some("h"), &[("host", b"H:80")]).unwrap(), "h");
    assert_eq!(with("https", Some("h:443"), &[("host", b"h")]).unwrap(), "h:443");
    assert_eq!(with("", None, &[("host", b"h:1")]).unwrap(), "h:1");
    let mismatch: [(&str, Fields<'_>); 3] =
        [("http", &[("host", b"other")]), ("http", &[("host", b"h:81")]), ("", &[("host", b"h:80")])];
    for (scheme, hosts) in mismatch {
        assert_eq!(with(scheme, Some("h"), hosts).unwrap_err(), RequestError::HostMismatch, "{hosts:?}");
    }
    assert_eq!(
        with("http", Some("h"), &[("host", b"h"), ("host", b"h")]).unwrap_err(),
        RequestError::RepeatedHost
    );
    assert_eq!(with("http", None, &[]).unwrap_err(), RequestError::MissingHost);
    for bad in ["", "a,b", "u@h", "h:", "h:x", "[::1"] {
        assert_eq!(with("http", Some(bad), &[]).unwrap_err(), RequestError::InvalidHost, "{bad}");
        assert_eq!(
            with("http", Some("h"), &[("host", bad.as_bytes())]).unwrap_err(),
            RequestError::InvalidHost
        );
    }
    let head = assemble(GET, &[("host", b"h")], false).unwrap();
    assert_eq!(head.values(Known::Host).collect::<Vec<_>>(), [b"h"], "there is one");
}

#[test]
fn cookies_that_came_in_pieces_are_one_again() {
    let head =
        assemble(GET, &[("cookie", b"a=1"), ("x", b"y"), ("cookie", b"b=2; c"), ("cookie", b"d")], false)
            .unwrap();
    assert_eq!(head.values(Known::Cookie).collect::<Vec<_>>(), [&b"a=1; b=2; c; d"[..]]);
    assert_eq!(refused(GET, &[("cookie", b"a\r\nx: y"), ("cookie", b"b")]), FieldError::InvalidValue.into());
}

#[test]
fn fields_of_http1_connections_are_refused() {
    for known in
        [Known::Connection, Known::KeepAlive, Known::ProxyConnection, Known::TransferEncoding, Known::Upgrade]
    {
        assert_eq!(refused(GET, &[(known.name(), b"x")]), FieldError::OfHttp1Connections(known).into());
    }
    assert_eq!(refused(GET, &[("te", b"gzip")]), FieldError::OfHttp1Connections(Known::Te).into());
    assert_eq!(refused(GET, &[("expect", b"x")]), RequestError::UnknownExpectation);
    assert!(
        assemble(GET, &[("expect", b"100-continue"), ("content-length", b"1")], true)
            .unwrap()
            .expects_continue()
    );
}

#[test]
fn the_bounds_of_a_head_hold() {
    let many = vec![("x", b"y".as_slice()); Limits::default().headers];
    assert_eq!(refused(GET, &many), FieldError::TooMany.into());
    let large = vec![b'x'; Limits::default().head_bytes];
    assert_eq!(refused(GET, &[("x", &large)]), FieldError::TooLarge.into());
    let half = &large[large.len() / 2..];
    assert_eq!(refused(GET, &[("cookie", half), ("cookie", half)]), FieldError::TooLarge.into());
}

proptest! {
    #[test]
    fn what_is_accepted_is_one_request_when_it_is_written(
        method in "[A-Z]{1,7}|[ -~]{0,4}",
        authority in prop::option::of("[a-z.]{1,5}(:[0-9]{1,3})?|[ -~]{0,6}"),
        path in prop::option::of("/[a-z/?%.]{0,8}|[ -~]{0,6}"),
        fields in prop::collection::vec(
            (
                "[ -~]{0,6}|[a-z-]{1,9}|content-length|host|cookie|te|transfer-encoding",
                prop_oneof![prop::collection::vec(any::<u8>(), 0..9), "[0-9]{1,2}|[a-z]{1,3}".prop_map(String::into_bytes)],
            ),
            0..6,
        ),
        has_content: bool,
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let pseudo = Pseudo { method: &method, scheme: "http", authority: authority.as_deref(), path: path.as_deref() };
        if let Ok(head) = assemble(pseudo, &fields, has_content) {
            let mut out = Vec::new();
            write::request_line(&mut out, head.method(), head.target().as_bytes());
            head.headers().for_each(|field| write::header(&mut out, field.name, field.value));
            if head.framing() == Framing::Chunked {
                write::chunked(&mut out);
            }
            write::end(&mut out);
            let mut again = RequestHead::default();
            prop_assert_eq!(again.parse(&out, &Limits::default()), Ok(Parsed::Complete { consumed: out.len() }));
            prop_assert_eq!((again.method(), again.target(), again.host()), (head.method(), head.target(), head.host()));
            prop_assert_eq!(again.framing(), head.framing());
        }
    }
}

#[test]
fn trailers_have_the_bounds_of_a_trailer_section() {
    let limits = Limits { headers: 2, trailer_bytes: 20, ..Limits::default() };
    let check = |fields: Fields<'_>| check_trailer_bounds(fields.iter().copied(), &limits);
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[("abc", b"123"), ("abc", b"123")]), Ok(()));
    assert_eq!(check(&[("abc", b"123"), ("abc", b"1234")]), Err(FieldError::TooLarge));
    assert_eq!(check(&[("a", &[b'x'; 30])]), Err(FieldError::TooLarge));
    assert_eq!(check(&[("a", b""), ("b", b""), ("c", b"")]), Err(FieldError::TooMany));
    assert_eq!(FieldError::TooLarge.status(), 431);
}
