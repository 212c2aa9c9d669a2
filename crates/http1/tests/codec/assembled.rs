//! Heads that come from HTTP/2: the same rules, and what is written of them cannot be read as anything else.

use http1::{FieldError, Framing, Known, Limits, Parsed, ResponseError, ResponseHead, Version, write};
use proptest::prelude::*;

fn assemble(status: u16, fields: &[(&str, &[u8])]) -> Result<ResponseHead, ResponseError> {
    let mut head = ResponseHead::default();
    head.assemble(status, fields.iter().copied(), &Limits::default())?;
    Ok(head)
}

#[test]
fn a_response_of_http2_reads_like_one_of_http1() {
    let fields: [(&str, &[u8]); 4] =
        [("server", b"x"), ("set-cookie", b"a"), ("x-obs", b"\xff\xe9"), ("set-cookie", b"b \xc3\xa9")];
    let head = assemble(404, &fields).unwrap();
    assert_eq!(
        (head.status(), head.reason(), head.version()),
        (404, b"Not Found".as_slice(), Version::Http11)
    );
    let read: Vec<_> = head.headers().map(|header| (header.name, header.value)).collect();
    assert_eq!(read, fields);
    assert_eq!(head.values(Known::SetCookie).collect::<Vec<_>>(), [b"a".as_slice(), b"b \xc3\xa9"]);
    assert!(head.headers().all(|header| !head.is_hop_by_hop(&header)));
    assert_eq!((head.framing("GET"), head.keep_alive(), head.upgrade()), (Framing::UntilClose, true, None));
    assert_eq!(assemble(200, &[("content-length", b"7")]).unwrap().framing("GET"), Framing::Length(7));
}

#[test]
fn a_head_that_was_used_before_leaves_nothing_behind() {
    let mut head = assemble(200, &[("x-secret", b"\xff"), ("content-length", b"3")]).unwrap();
    head.assemble(204, [("x", b"y".as_slice())], &Limits::default()).unwrap();
    assert_eq!((head.headers().count(), head.content_length(), head.header("x")), (1, None, Some(&b"y"[..])));
    let text = "HTTP/1.1 200 OK\r\nServer: s\r\n\r\n";
    let parsed = head.parse(text.as_bytes(), &Limits::default());
    assert_eq!(parsed, Ok(Parsed::Complete { consumed: text.len() }));
    assert_eq!((head.headers().count(), head.header("server")), (1, Some(&b"s"[..])));
}

#[test]
fn a_status_that_http2_does_not_have_is_refused() {
    for status in [0, 99, 101, 600, 999, 65_535] {
        assert_eq!(assemble(status, &[]).unwrap_err(), ResponseError::InvalidStatus, "{status}");
    }
    assert!([100, 102, 103, 199].iter().all(|status| assemble(*status, &[]).unwrap().is_interim()));
}

#[test]
fn a_field_of_http1_connections_is_malformed_in_http2() {
    for known in
        [Known::Connection, Known::KeepAlive, Known::ProxyConnection, Known::TransferEncoding, Known::Upgrade]
    {
        let refused = assemble(200, &[(known.name(), b"close")]).unwrap_err();
        assert_eq!(refused, ResponseError::Field(FieldError::OfHttp1Connections(known)));
    }
}

#[test]
fn a_field_of_http2_that_could_break_out_of_its_line_is_refused() {
    for value in [&b"a\r\nx: y"[..], b"a\nb", b"a\rb", b"a\0b", b" a", b"a\t", b"\x7f"] {
        let refused = assemble(200, &[("x", value)]).unwrap_err();
        assert_eq!(refused, ResponseError::Field(FieldError::InvalidValue), "{value:?}");
    }
    for name in ["", "a b", "a:", ":status", "X", "a\r\nb", "\u{e9}"] {
        let refused = assemble(200, &[(name, b"v")]).unwrap_err();
        assert_eq!(refused, ResponseError::Field(FieldError::InvalidName), "{name:?}");
    }
}

#[test]
fn the_lengths_of_http2_are_held_to_the_rules_of_http1() {
    let length = |values: &[&'static [u8]]| {
        let fields: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
        assemble(200, &fields).unwrap_err()
    };
    assert_eq!(length(&[b"+1"]), ResponseError::Field(FieldError::InvalidContentLength));
    assert_eq!(length(&[b"1, 1"]), ResponseError::Field(FieldError::InvalidContentLength));
    assert_eq!(length(&[b"1", b"1"]), ResponseError::Field(FieldError::RepeatedContentLength));
    assert_eq!(assemble(204, &[("content-length", b"1")]).unwrap_err(), ResponseError::ContentNotAllowed);
}

#[test]
fn the_bounds_of_a_head_hold_for_http2() {
    let many = vec![("x", b"y".as_slice()); Limits::default().headers + 1];
    assert_eq!(assemble(200, &many).unwrap_err(), ResponseError::Field(FieldError::TooMany));
    let large = vec![b'x'; Limits::default().head_bytes];
    assert_eq!(assemble(200, &[("x", &large)]).unwrap_err(), ResponseError::Field(FieldError::TooLarge));
}

proptest! {
    #[test]
    fn what_is_accepted_of_http2_is_one_head_when_it_is_written(
        status in 90_u16..700,
        fields in prop::collection::vec(
            ("[ -~]{0,6}|[a-z-]{1,9}|content-length|connection|te", prop::collection::vec(any::<u8>(), 0..9)),
            0..6,
        ),
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        if let Ok(head) = assemble(status, &fields) {
            let mut out = Vec::new();
            write::status_line(&mut out, head.status(), head.reason());
            head.headers().for_each(|header| write::header(&mut out, header.name, header.value));
            write::end(&mut out);
            let mut again = ResponseHead::default();
            prop_assert_eq!(again.parse(&out, &Limits::default()), Ok(Parsed::Complete { consumed: out.len() }));
            let read: Vec<_> = again.headers().map(|header| (header.name, header.value)).collect();
            prop_assert_eq!((again.status(), read), (status, fields));
        }
    }
}
