//! Kinds of requests: what is sent and how the answer is checked.

use crate::client::Answer;
use crate::echo;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One kind of request of a mix.
#[derive(Clone, Debug)]
pub struct RequestKind {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Further headers, beside the id. A `Host` among them is sent instead of the target's.
    pub headers: HeaderMap,
    /// Its body.
    pub upload: Upload,
    /// How its answer is checked, once it is whole and 2xx.
    pub check: Check,
}

impl RequestKind {
    fn new(method: Method, path: &str, upload: Upload) -> Self {
        RequestKind {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            upload,
            check: Check::Echo { size: 0 },
        }
    }

    /// A small GET.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path, Upload::none())
    }

    /// A GET with an answer of so many bytes (beyond its first line).
    #[must_use]
    pub fn download(path: &str, size: u64) -> Self {
        let separator = if path.contains('?') { '&' } else { '?' };
        Self::get(&format!("{path}{separator}size={size}")).checked(Check::Echo { size })
    }

    /// A POST with a body of so many bytes and a Content-Length.
    #[must_use]
    pub fn post(path: &str, bytes: usize) -> Self {
        Self::new(Method::POST, path, Upload::whole(echo::letters(bytes)))
    }

    /// A POST whose body comes in so many chunks of so many bytes (Transfer-Encoding: chunked).
    #[must_use]
    pub fn chunked(path: &str, chunks: u32, chunk_bytes: usize) -> Self {
        Self::new(Method::POST, path, Upload::chunked(echo::letters(chunk_bytes), chunks))
    }

    /// A POST with a Content-Length whose body comes in so many pieces, with a pause between them.
    #[must_use]
    pub fn slow(path: &str, pieces: u32, piece_bytes: usize, pause: Duration) -> Self {
        Self::new(Method::POST, path, Upload::slow(echo::letters(piece_bytes), pieces, pause))
    }

    /// With another check.
    #[must_use]
    pub fn checked(self, check: Check) -> Self {
        RequestKind { check, ..self }
    }

    /// With another method.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        RequestKind { method, ..self }
    }

    /// The request with this id.
    pub(crate) fn request(&self, host: &str, id: &str) -> Result<Request<Body>, http::Error> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&self.headers);
            if let Some(length) = self.upload.content_length() {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
        if !self.headers.contains_key(header::HOST) {
            request = request.header(header::HOST, host);
        }
        request.header(echo::ID_HEADER, id).body(self.upload.body())
    }
}

/// The body of a request: some bytes, once or several times.
#[derive(Clone, Debug)]
pub struct Upload {
    piece: Bytes,
    pieces: u32,
    pause: Duration,
    chunked: bool,
    crc32: u32,
}

impl Upload {
    fn new(piece: Bytes, pieces: u32, pause: Duration, chunked: bool) -> Self {
        let mut digest = crc32fast::Hasher::new();
        (0..pieces).for_each(|_| digest.update(&piece));
        Upload { piece, pieces, pause, chunked, crc32: digest.finalize() }
    }

    /// No body.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Bytes::new(), 0, Duration::ZERO, false)
    }

    /// These bytes, with a Content-Length.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self::new(bytes, 1, Duration::ZERO, false)
    }

    /// The piece so many times, each time as a chunk.
    #[must_use]
    pub fn chunked(piece: Bytes, pieces: u32) -> Self {
        Self::new(piece, pieces, Duration::ZERO, true)
    }

    /// The piece so many times, with a Content-Length and a pause before each but the first.
    #[must_use]
    pub fn slow(piece: Bytes, pieces: u32, pause: Duration) -> Self {
        Self::new(piece, pieces, pause, false)
    }

    /// CRC-32 of the whole body; 0 without one.
    #[must_use]
    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    fn content_length(&self) -> Option<u64> {
        (self.pieces > 0 && !self.chunked).then(|| self.piece.len() as u64 * u64::from(self.pieces))
    }

    fn body(&self) -> Body {
        if self.pieces == 0 {
            return Full::default().boxed_unsync();
        }
        let Upload { piece, pieces, pause, .. } = self.clone();
        let frames = stream::unfold(0, move |sent| {
            let piece = piece.clone();
            async move {
                if sent == pieces {
                    return None;
                }
                if sent > 0 && !pause.is_zero() {
                    crate::clock::pause(pause).await;
                }
                Some((Ok(Frame::data(piece)), sent + 1))
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }
}

/// What was asked, for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The request's id.
    pub id: &'a str,
    /// CRC-32 of its body.
    pub body_crc32: u32,
}

/// A check of one's own: `Err` says what is wrong, in a sentence.
pub type CheckFn = dyn Fn(&Asked<'_>, &Answer) -> Result<(), String> + Send + Sync;

/// How a whole 2xx answer is checked.
#[derive(Clone)]
pub enum Check {
    /// By [`crate::echo`]: the request's own id and digest, then so many bytes.
    Echo {
        /// Bytes after the first line.
        size: u64,
    },
    /// Exactly this content, whoever asks: a file.
    Content {
        /// Its length, bytes.
        bytes: u64,
        /// Its CRC-32.
        crc32: u32,
    },
    /// Whole and 2xx is all that can be known.
    Status,
    /// One's own.
    Custom(Arc<CheckFn>),
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Echo { size } => f.debug_struct("Echo").field("size", size).finish(),
            Check::Content { bytes, crc32 } => {
                f.debug_struct("Content").field("bytes", bytes).field("crc32", crc32).finish()
            }
            Check::Status => f.write_str("Status"),
            Check::Custom(_) => f.write_str("Custom"),
        }
    }
}

impl Check {
    /// Checks a whole 2xx answer.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn judge(&self, asked: &Asked<'_>, answer: &Answer) -> Result<(), String> {
        match self {
            Check::Status => Ok(()),
            Check::Custom(check) => check(asked, answer),
            Check::Content { bytes, crc32 } => same_content(answer, *bytes, *crc32),
            Check::Echo { size } => {
                let line = echo::first_line(asked.id, asked.body_crc32);
                if !answer.start.starts_with(line.as_bytes()) {
                    let begun: String = String::from_utf8_lossy(&answer.start).chars().take(80).collect();
                    return Err(format!("the answer begins with {begun:?}, not with {line:?}"));
                }
                let (length, crc32) = echo::length_and_crc32(asked.id, asked.body_crc32, *size);
                same_content(answer, length, crc32)
            }
        }
    }
}

fn same_content(answer: &Answer, length: u64, crc32: u32) -> Result<(), String> {
    if answer.length != length {
        return Err(format!("the answer has {} bytes, not {length}", answer.length));
    }
    if answer.crc32 != crc32 {
        return Err(format!("the answer's content has the CRC-32 {:08x}, not {crc32:08x}", answer.crc32));
    }
    Ok(())
}
