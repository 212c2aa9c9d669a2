//! Whether a request is the opening handshake of a WebSocket (RFC 6455, section 4.2.1). What is none is no reason to let an
//! upstream turn the connection into one that nobody reads the requests of: it goes on as the request that it is.

use http1::{Framing, RequestHead};

const KEY: &str = "sec-websocket-key";
const VERSION: &str = "sec-websocket-version";
/// The version of the RFC; the frames of older ones are others.
const VERSION_13: &[u8] = b"13";
/// A key: 16 bytes in base64, the last two characters of which are padding.
const KEY_BYTES: usize = 24;

/// Whether the head, which offers to switch to `websocket`, has all that belongs to it: GET without content, one key, version 13.
/// That it is HTTP/1.1 and that `Connection` names `upgrade` has been seen to.
pub(super) fn is_handshake(head: &RequestHead) -> bool {
    head.method() == "GET"
        && matches!(head.framing(), Framing::None | Framing::Length(0))
        && only(head, VERSION) == Some(VERSION_13)
        && only(head, KEY).is_some_and(is_key)
}

/// The value of a field that comes once.
fn only<'a>(head: &'a RequestHead, lower_name: &str) -> Option<&'a [u8]> {
    let mut values = head.headers().filter(|field| field.name.eq_ignore_ascii_case(lower_name));
    let value = values.next()?.value;
    values.next().is_none().then_some(value)
}

fn is_key(value: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    value.len() == KEY_BYTES && value.strip_suffix(b"==").is_some_and(|digits| digits.iter().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

    fn is(method: &str, fields: &str) -> bool {
        let text = format!(
            "{method} / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{fields}\r\n"
        );
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), &http1::Limits::default()).unwrap();
        is_handshake(&head)
    }

    #[test]
    fn a_handshake_has_a_key_and_the_version_and_no_content() {
        assert!(is("GET", FIELDS));
        assert!(is("GET", &format!("{FIELDS}Content-Length: 0\r\n")));
        assert!(is(
            "GET",
            &FIELDS.to_lowercase().replace("dghlihnhbxbszsbub25jzq", "dGhlIHNhbXBsZSBub25jZQ")
        ));
        assert!(!is("POST", FIELDS) && !is("HEAD", FIELDS));
        for more in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", FIELDS] {
            assert!(!is("GET", &format!("{FIELDS}{more}")), "{more}");
        }
        for (one, other) in [
            ("13", "8"),
            ("13", "13, 8"),
            ("Sec-WebSocket-Version: 13\r\n", ""),
            ("dGhlIHNhbXBsZSBub25jZQ==", "k"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZTEx"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub2 jZQ=="),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ] {
            assert!(!is("GET", &FIELDS.replace(one, other)), "{other}");
        }
    }
}
