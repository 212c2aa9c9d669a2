//! Serializing.

use http1::write::{self, FieldRefused};

#[test]
fn a_request_is_written_line_by_line() {
    let mut out = Vec::new();
    write::request_line(&mut out, "GET", b"/a?b");
    write::header(&mut out, "Host", b"a");
    write::content_length(&mut out, 0);
    write::content_length(&mut out, u64::MAX);
    write::chunked(&mut out);
    write::end(&mut out);
    let expected = "GET /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 18446744073709551615\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_status_line_has_the_given_or_the_registered_reason() {
    let line = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(line(&|out| write::status(out, 200)), "HTTP/1.1 200 OK\r\n");
    assert_eq!(line(&|out| write::status(out, 502)), "HTTP/1.1 502 Bad Gateway\r\n");
    assert_eq!(line(&|out| write::status(out, 799)), "HTTP/1.1 799 \r\n");
    assert_eq!(line(&|out| write::status_line(out, 200, b"Fine")), "HTTP/1.1 200 Fine\r\n");
    assert_eq!(line(&|out| write::status_line(out, 404, b"")), "HTTP/1.1 404 \r\n");
}

#[test]
fn chunk_sizes_are_hexadecimal_without_leading_zeros() {
    for len in [1, 9, 10, 15, 16, 255, 256, 0xabc_def0, u64::MAX] {
        let mut out = Vec::new();
        write::chunk_head(&mut out, len);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{len:x}\r\n"));
    }
}

#[test]
fn the_last_chunk_carries_the_trailers() {
    let mut out = Vec::new();
    write::last_chunk(&mut out, []);
    assert_eq!(out, write::LAST_CHUNK);
    out.clear();
    write::last_chunk(&mut out, [("X", b"1".as_slice()), ("Y", b"")]);
    assert_eq!(out, b"0\r\nX: 1\r\nY: \r\n\r\n");
}

#[test]
fn a_field_that_could_break_out_of_its_line_is_refused_whole() {
    let mut out = Vec::new();
    for name in ["", "a b", "a:", "a\r", "a\n", "\u{e9}", "a\0"] {
        assert_eq!(write::checked_header(&mut out, name, b"1"), Err(FieldRefused::Name), "{name:?}");
    }
    for value in ["a\r\nb: c", "a\nb", "a\rb", "a\0", "\x7f", " a", "a ", "\ta"] {
        assert_eq!(
            write::checked_header(&mut out, "X", value.as_bytes()),
            Err(FieldRefused::Value),
            "{value:?}"
        );
    }
    assert_eq!(out, b"");
    assert_eq!(write::checked_header(&mut out, "X", b"a\tb \xff"), Ok(()));
    assert_eq!(out, b"X: a\tb \xff\r\n");
}
