//! Bodies: chunked framing in all its details, and the three simple framings.

use crate::oracle::body::{Body, decode};
use http1::{BodyDecoder, BodyError, FieldError, Framing, Limits, Step};

fn chunked(input: &str) -> Result<Body, BodyError> {
    decode(Framing::Chunked, input.as_bytes(), &Limits::default())
}

fn content(input: &str) -> String {
    let body = chunked(input).unwrap();
    assert_eq!(body.consumed, input.len());
    String::from_utf8(body.content).unwrap()
}

fn error(input: &str) -> BodyError {
    chunked(input).expect_err(input)
}

#[test]
fn chunks_are_joined() {
    assert_eq!(content("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world");
    assert_eq!(content("0\r\n\r\n"), "");
    assert_eq!(content("A\r\n0123456789\r\n000\r\n\r\n"), "0123456789");
    assert_eq!(content("0a\r\n0123456789\r\n0\r\n\r\n"), "0123456789");
}

#[test]
fn what_follows_the_last_chunk_is_not_touched() {
    let body = chunked("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n").unwrap();
    assert_eq!(body.consumed, "1\r\nx\r\n0\r\n\r\n".len());
}

#[test]
fn a_chunk_size_is_hexadecimal_and_nothing_else() {
    for line in
        ["", "g", "-1", "+1", "0x1", " 1", "1 ", "1\t", "1 ;a", "1h", "\u{661}", "1,1", ";a=b", "_1", "1_0"]
    {
        let error = error(&format!("{line}\r\nx\r\n0\r\n\r\n"));
        assert_eq!((error, error.status()), (BodyError::InvalidChunkSize, 400), "{line:?}");
    }
}

#[test]
fn a_chunk_size_that_overflows_is_refused() {
    assert_eq!(error("8000000000000000\r\n"), BodyError::ChunkTooLarge);
    assert_eq!(error("10000000000000000\r\n"), BodyError::ChunkTooLarge);
    assert_eq!(error("ffffffffffffffffffff\r\n"), BodyError::ChunkTooLarge);
    assert_eq!(error("00000000000000001\r\n"), BodyError::ChunkTooLarge, "17 digits");
    assert_eq!(error("7fffffffffffffff\r\nx"), BodyError::Truncated, "the largest size is awaited");
}

#[test]
fn lines_end_in_crlf_and_so_does_data() {
    for input in ["1\nx\r\n0\r\n\r\n", "1\rx\r\n", "0\n\r\n"] {
        assert!(
            matches!(error(input), BodyError::InvalidChunkEnd | BodyError::InvalidChunkSize),
            "{input:?}"
        );
    }
    for input in ["1\r\nxy", "1\r\nx\n0\r\n\r\n", "1\r\nx\rx", "1\r\nx0\r\n\r\n", "1\r\nx\r\r\n"] {
        assert_eq!(error(input), BodyError::InvalidChunkEnd, "{input:?}");
    }
    assert_eq!(error("0\r\n\n"), BodyError::Trailer(FieldError::BareLf));
    assert_eq!(error("0\r\n\rx"), BodyError::Trailer(FieldError::BareCr));
}

#[test]
fn chunk_extensions_are_thrown_away() {
    assert_eq!(content("1;a\r\nx\r\n1;b=c;d=\"e f\"\r\ny\r\n0;z\r\n\r\n"), "xy");
    for extension in ["a\0", "a\x7f", "\x01"] {
        assert_eq!(error(&format!("1;{extension}\r\nx\r\n")), BodyError::InvalidExtension, "{extension:?}");
    }
    assert_eq!(error("1;a\nx\r\n"), BodyError::InvalidExtension);
}

#[test]
fn a_chunk_size_line_has_a_bound() {
    let limits = Limits { chunk_line_bytes: 8, ..Limits::default() };
    let decode =
        |line: &str| decode(Framing::Chunked, format!("{line}\r\nx\r\n0\r\n\r\n").as_bytes(), &limits);
    assert_eq!(decode("1;345678").unwrap().content, b"x");
    assert_eq!(decode("1;3456789"), Err(BodyError::ChunkLineTooLong));
}

#[test]
fn a_body_made_of_extensions_is_refused() {
    let chunk = |len: usize| format!("{len:x};{}\r\n{}\r\n", "e".repeat(1000), "x".repeat(len));
    assert_eq!(error(&chunk(1).repeat(20)), BodyError::TooManyExtensions);
    let heavy = chunk(2000).repeat(20) + "0\r\n\r\n";
    assert_eq!(content(&heavy).len(), 40_000, "extensions beside more content are fine");
}

#[test]
fn trailers_are_read_and_those_that_must_not_be_there_are_dropped() {
    let input = "0\r\nX-Sum: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHOST: b\r\nAuthorization: x\r\n\
                 Set-Cookie: a=b\r\nX-Forwarded-For: c\r\nx-forwarded-user: d\r\nX_Forwarded_For: e\r\nX-Real_IP: f\r\nProxy-Foo: e\r\nConnection: close\r\n\
                 Trailer: X\r\nCache-Control: x\r\nIf-Match: x\r\nContent-Range: x\r\nExpect: x\r\nGrpc-Status: 0\r\n\r\n";
    let body = chunked(input).unwrap();
    let expected = [("X-Sum".to_owned(), b"1".to_vec()), ("Grpc-Status".to_owned(), b"0".to_vec())];
    assert_eq!((body.trailers.as_slice(), body.consumed), (expected.as_slice(), input.len()));
}

#[test]
fn trailers_are_held_to_the_rules_of_header_fields() {
    for (section, expected) in [
        ("X: 1\n\r\n", FieldError::BareLf),
        ("X: 1\r2\r\n\r\n", FieldError::BareCr),
        ("X : 1\r\n\r\n", FieldError::SpaceBeforeColon),
        ("X: 1\r\n 2\r\n\r\n", FieldError::LineFolding),
        (" X: 1\r\n\r\n", FieldError::LineFolding),
        ("X\r\n\r\n", FieldError::InvalidName),
        (": 1\r\n\r\n", FieldError::InvalidName),
        ("X: \0\r\n\r\n", FieldError::InvalidValue),
    ] {
        assert_eq!(error(&format!("0\r\n{section}")), BodyError::Trailer(expected), "{section:?}");
    }
}

#[test]
fn a_trailer_section_has_bounds() {
    let limits = Limits { trailer_bytes: 32, headers: 2, ..Limits::default() };
    let decode = |section: &str| decode(Framing::Chunked, format!("0\r\n{section}\r\n").as_bytes(), &limits);
    assert_eq!(decode(&format!("X: {}\r\n", "v".repeat(27))).unwrap().trailers.len(), 1);
    let too_large = decode(&format!("X: {}\r\n", "v".repeat(28))).unwrap_err();
    assert_eq!((too_large, too_large.status()), (BodyError::Trailer(FieldError::TooLarge), 431));
    assert_eq!(decode(&"\r\n".repeat(40)).unwrap().consumed, 5, "the first empty line ends it");
    assert_eq!(decode("A:1\r\nB:1\r\n").unwrap().trailers.len(), 2);
    assert_eq!(decode("A:1\r\nB:1\r\nC:1\r\n"), Err(BodyError::Trailer(FieldError::TooMany)));
}

#[test]
fn a_section_that_never_ends_is_refused_at_its_bound() {
    let error = error(&format!("0\r\n{}", "X: 1\r\n".repeat(2000)));
    assert_eq!(error, BodyError::Trailer(FieldError::TooLarge));
}

#[test]
fn a_chunked_body_cut_off_anywhere_is_truncated() {
    let whole = "5;e\r\nhello\r\n0\r\nX: 1\r\n\r\n";
    for end in 0..whole.len() {
        assert_eq!(error(&whole[..end]), BodyError::Truncated, "{:?}", &whole[..end]);
    }
}

#[test]
fn a_broken_body_stays_broken() {
    let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
    assert_eq!(decoder.decode(b"x"), Err(BodyError::InvalidChunkSize));
    assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(BodyError::InvalidChunkSize));
    assert!(!decoder.is_finished());
}

#[test]
fn a_length_is_counted_down_and_what_follows_is_not_touched() {
    let body = decode(Framing::Length(5), b"helloGET /", &Limits::default()).unwrap();
    assert_eq!((body.content.as_slice(), body.consumed), (b"hello".as_slice(), 5));
    assert_eq!(decode(Framing::Length(5), b"hell", &Limits::default()), Err(BodyError::Truncated));
    let mut decoder = BodyDecoder::new(Framing::Length(2), &Limits::default());
    assert_eq!(decoder.decode(b""), Ok(Step::Need { consumed: 0 }));
    assert_eq!(decoder.decode(b"ab"), Ok(Step::Data { skip: 0, len: 2 }));
    assert!(decoder.is_finished(), "at once with the last byte");
    assert_eq!(decoder.eof(), Ok(()));
}

#[test]
fn no_content_is_finished_before_it_starts() {
    for framing in [Framing::None, Framing::Length(0)] {
        let mut decoder = BodyDecoder::new(framing, &Limits::default());
        assert!(decoder.is_finished());
        assert_eq!(decoder.decode(b"GET"), Ok(Step::End { consumed: 0 }));
        assert_eq!(decoder.eof(), Ok(()));
    }
}

#[test]
fn content_until_close_ends_with_the_connection() {
    let mut decoder = BodyDecoder::new(Framing::UntilClose, &Limits::default());
    assert_eq!(decoder.decode(b"abc"), Ok(Step::Data { skip: 0, len: 3 }));
    assert_eq!(decoder.decode(b""), Ok(Step::Need { consumed: 0 }));
    assert!(!decoder.is_finished());
    assert_eq!(decoder.eof(), Ok(()));
    assert!(decoder.is_finished());
}
