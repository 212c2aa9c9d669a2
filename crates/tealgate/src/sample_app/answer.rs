//! What the sample app answers: an echo of the request, on wish large (`?bytes=`, below `/echo` `?size=`) or slow
//! (`?slow_ms=`).

use crate::cli::sample_app::SampleAppArgs;
use crate::clock;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;

/// Largest padding, bytes.
const MAX_BYTES: usize = 1 << 30;
/// Longest duration of a slow answer, milliseconds.
const MAX_SLOW_MS: u64 = 600_000;
/// Padding is sent in pieces of this size, bytes.
const PIECE_BYTES: usize = 16 * 1024;
/// A slow answer comes in this many pieces at least.
const SLOW_PIECES: usize = 10;

pub(super) struct Answer<'a> {
    pub(super) arguments: &'a SampleAppArgs,
    pub(super) id: &'a str,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) body: &'a Bytes,
}

impl Answer<'_> {
    pub(super) fn headers(&self, headers: &mut HeaderMap, is_json: bool) {
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-version", &self.arguments.version);
        set("x-colour", &self.arguments.colour);
        set("x-instance", &self.arguments.instance);
        if !self.id.is_empty() {
            set("x-request-id", self.id);
        }
        let is_json = is_json && !self.is_plain_echo() && !self.arguments.json_as_text;
        let content_type = if is_json { "application/json" } else { "text/plain" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }

    fn is_plain_echo(&self) -> bool {
        self.uri.path().strip_prefix("/echo").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The echo: below `/echo` in the form of [`load::echo`], else as JSON whose last member `padding` is as long as
    /// `?bytes=` says.
    pub(super) fn body(&self) -> Body {
        let slow_ms = self.number("slow_ms").unwrap_or(0).min(MAX_SLOW_MS);
        let crc32 = crc32fast::hash(self.body);
        if self.is_plain_echo() {
            let opening = load::echo::first_line(self.id, crc32);
            let filler = Filler { alphabet: load::echo::ALPHABET, size: self.size("size"), closing: "" };
            return stream(opening, filler, slow_ms);
        }
        let mut echo = json!({
            "id": self.id,
            "version": self.arguments.version,
            "colour": self.arguments.colour,
            "instance": self.arguments.instance,
            "method": self.method.as_str(),
            "path": self.uri.path(),
            "query": self.uri.query().unwrap_or_default(),
            "body_bytes": self.body.len(),
            "body_crc32": crc32,
            "served_at_us": clock::now_us(),
        });
        if self.arguments.numbers_as_text {
            let members = echo.as_object_mut().into_iter().flat_map(|echo| echo.iter_mut());
            members
                .filter(|(_, value)| value.is_number())
                .for_each(|(_, value)| *value = json!(value.to_string()));
        }
        let padding = self.size("bytes");
        if padding == 0 && slow_ms == 0 {
            return Body::from(echo.to_string());
        }
        echo["padding"] = json!("");
        let mut opening = echo.to_string();
        opening.truncate(opening.len() - 2);
        stream(opening, Filler { alphabet: b"x", size: padding, closing: "\"}" }, slow_ms)
    }

    fn size(&self, key: &str) -> usize {
        self.number(key).map_or(0, |bytes| usize::try_from(bytes).unwrap_or(MAX_BYTES).min(MAX_BYTES))
    }

    fn number(&self, key: &str) -> Option<u64> {
        let pairs = self.uri.query().unwrap_or_default().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key)?.1.parse().ok()
    }
}

/// What follows the opening of an answer: so many bytes of an alphabet, over and over, and an end.
#[derive(Clone, Copy)]
struct Filler {
    alphabet: &'static [u8],
    size: usize,
    closing: &'static str,
}

impl Filler {
    /// The bytes from one place to another, and the end if they are the last.
    fn bytes(&self, from: usize, to: usize, last: bool) -> Vec<u8> {
        let letters = self.alphabet.iter().copied().cycle();
        let mut bytes: Vec<u8> = letters.skip(from % self.alphabet.len()).take(to - from).collect();
        if last {
            bytes.extend_from_slice(self.closing.as_bytes());
        }
        bytes
    }
}

/// The opening, then the filler in pieces, spread evenly over the time.
fn stream(opening: String, filler: Filler, slow_ms: u64) -> Body {
    if slow_ms == 0 && filler.size <= PIECE_BYTES {
        let mut whole = opening.into_bytes();
        whole.extend(filler.bytes(0, filler.size, true));
        return Body::from(whole);
    }
    let at_least = if slow_ms > 0 { SLOW_PIECES } else { 1 };
    let pieces = filler.size.div_ceil(PIECE_BYTES).max(at_least);
    let pause = Duration::from_millis(slow_ms) / u32::try_from(pieces).unwrap_or(u32::MAX);
    let frames = futures_util::stream::unfold((Some(opening), 0), move |(opening, piece)| async move {
        if let Some(opening) = opening {
            return Some((frame(opening.into_bytes()), (None, 0)));
        }
        if piece == pieces {
            return None;
        }
        if !pause.is_zero() {
            clock::pause(pause).await;
        }
        let (from, to) = (filler.size * piece / pieces, filler.size * (piece + 1) / pieces);
        Some((frame(filler.bytes(from, to, piece + 1 == pieces)), (None, piece + 1)))
    });
    Body::new(StreamBody::new(frames))
}

fn frame(content: Vec<u8>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::from(content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use load::echo;
    use serde_json::Value;

    async fn whole(opening: &str, filler: Filler, slow_ms: u64) -> Bytes {
        stream(opening.to_owned(), filler, slow_ms).collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_padded_answer_is_whole_json_of_the_asked_size() {
        for (size, slow_ms) in [(0, 20), (3, 20), (1, 0), (PIECE_BYTES, 0), (5 * PIECE_BYTES + 3, 0)] {
            let filler = Filler { alphabet: b"x", size, closing: "\"}" };
            let value: Value =
                serde_json::from_slice(&whole("{\"padding\":\"", filler, slow_ms).await).unwrap();
            assert_eq!(value["padding"].as_str().map(str::len), Some(size));
        }
    }

    #[tokio::test]
    async fn an_echo_is_what_the_client_checks() {
        for (size, slow_ms) in [(0, 0), (100, 10), (3 * PIECE_BYTES + 1, 0)] {
            let filler = Filler { alphabet: echo::ALPHABET, size, closing: "" };
            let body = whole(&echo::first_line("run-1", 7), filler, slow_ms).await;
            let expected = echo::length_and_crc32("run-1", 7, size as u64);
            assert_eq!((body.len() as u64, crc32fast::hash(&body)), expected);
        }
    }
}
