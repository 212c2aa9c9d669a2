//! Where a message ends: Content-Length, Transfer-Encoding, and what contradicts itself.

use http1::{FieldError, Framing, RequestError, ResponseError};

use crate::request_head::{error_of, error_of_fields, parse};
use crate::response_head;

fn request(fields: &str) -> Framing {
    parse(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).unwrap().framing()
}

fn response(status: u16, fields: &str, method: &str) -> Framing {
    response_head::parse(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n")).unwrap().framing(method)
}

/// The same fields break the same rule in both directions.
fn field_error(fields: &str) -> FieldError {
    let error = match error_of_fields(fields) {
        RequestError::Field(error) => error,
        other => panic!("{other:?} is no error of a field"),
    };
    let in_response = response_head::parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap_err();
    assert_eq!(in_response, ResponseError::Field(error), "{fields:?}");
    error
}

#[test]
fn a_request_without_framing_fields_has_no_content() {
    assert_eq!(request(""), Framing::None);
}

#[test]
fn a_content_length_is_a_plain_number_up_to_63_bits() {
    assert_eq!(request("Content-Length: 0\r\n"), Framing::Length(0));
    assert_eq!(request("content-length: 0042\r\n"), Framing::Length(42));
    assert_eq!(request("Content-Length: 9223372036854775807\r\n"), Framing::Length(i64::MAX as u64));
    for value in [
        "",
        "+5",
        "-5",
        "5 5",
        "0x5",
        "5,5",
        "5, 5",
        "5.0",
        "5e1",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999",
        "\u{0665}",
        "5;",
        "five",
    ] {
        assert_eq!(
            field_error(&format!("Content-Length: {value}\r\n")),
            FieldError::InvalidContentLength,
            "{value:?}"
        );
    }
}

#[test]
fn a_second_content_length_is_refused_even_if_equal() {
    assert_eq!(field_error("Content-Length: 5\r\nContent-Length: 6\r\n"), FieldError::RepeatedContentLength);
    assert_eq!(field_error("Content-Length: 5\r\ncontent-length: 5\r\n"), FieldError::RepeatedContentLength);
}

#[test]
fn chunked_alone_is_the_one_transfer_encoding() {
    assert_eq!(request("Transfer-Encoding: chunked\r\n"), Framing::Chunked);
    assert_eq!(request("transfer-encoding:\tCHUNKED \r\n"), Framing::Chunked);
    for value in [
        "",
        "identity",
        "xchunked",
        "chunked;q=1",
        "chunked,",
        ",chunked",
        "chunked, chunked",
        "chunked, gzip",
        "gzip",
        "\"chunked\"",
        "chun ked",
        "chunked\u{b}",
        "\u{e9}chunked",
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        let error = field_error(&fields);
        assert!(
            matches!(error, FieldError::InvalidTransferEncoding | FieldError::InvalidValue),
            "{value:?} gave {error:?}"
        );
        assert_eq!(error.status(), 400);
    }
    let repeated = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(field_error(repeated), FieldError::InvalidTransferEncoding);
    let in_two = "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(field_error(in_two), FieldError::InvalidTransferEncoding);
}

#[test]
fn a_coding_that_we_lack_before_chunked_is_a_501() {
    let error = field_error("Transfer-Encoding: gzip, chunked\r\n");
    assert_eq!((error, error.status()), (FieldError::UnsupportedTransferCoding, 501));
}

#[test]
fn both_framings_at_once_are_refused_in_either_order() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ] {
        assert_eq!(field_error(fields), FieldError::LengthAndTransferEncoding);
    }
}

#[test]
fn a_transfer_encoding_in_http_1_0_is_refused() {
    let error = error_of(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(error, FieldError::TransferEncodingInHttp10.into());
    let error = response_head::parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err();
    assert_eq!(error, FieldError::TransferEncodingInHttp10.into());
}

#[test]
fn connect_has_no_content() {
    for fields in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n{fields}\r\n");
        assert_eq!(error_of(head.as_bytes()), RequestError::ContentInConnect);
    }
    assert!(parse(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n").is_ok());
}

#[test]
fn a_response_ends_by_chunks_by_length_or_by_closing() {
    assert_eq!(response(200, "Transfer-Encoding: chunked\r\n", "GET"), Framing::Chunked);
    assert_eq!(response(200, "Content-Length: 7\r\n", "GET"), Framing::Length(7));
    assert_eq!(response(200, "", "GET"), Framing::UntilClose);
    assert_eq!(response(500, "", "POST"), Framing::UntilClose);
}

#[test]
fn some_responses_have_no_content_whatever_they_say() {
    assert_eq!(response(200, "Content-Length: 7\r\n", "HEAD"), Framing::None);
    assert_eq!(response(200, "Transfer-Encoding: chunked\r\n", "HEAD"), Framing::None);
    assert_eq!(response(304, "Content-Length: 7\r\n", "GET"), Framing::None);
    assert_eq!(response(204, "Content-Length: 0\r\n", "GET"), Framing::None);
    assert_eq!(response(101, "", "GET"), Framing::None);
    assert_eq!(response(100, "", "GET"), Framing::None);
    assert_eq!(response(200, "Content-Length: 7\r\n", "CONNECT"), Framing::None);
    assert_eq!(response(407, "Content-Length: 7\r\n", "CONNECT"), Framing::Length(7));
    let head = response_head::parse("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n").unwrap();
    assert_eq!(head.content_length(), Some(7));
}

#[test]
fn a_1xx_or_204_that_announces_content_is_refused() {
    for status in [100, 101, 103, 199, 204] {
        for fields in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
            let error = response_head::parse(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n")).unwrap_err();
            assert_eq!(error, ResponseError::ContentNotAllowed);
        }
    }
}
