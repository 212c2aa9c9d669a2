//! The request body over several tries: what was read of it is kept, within a bound, so that it can be sent again.

use super::ends::{Coding, Sink};
use super::leg::{Leg, Replay, Rest};
use super::trailers;
use crate::buffer::Buffer;
use crate::kept::Tee;
use crate::request::Request;
use crate::settings::Settings;
use http1::{BodyDecoder, Framing, Version, write};

/// The request body between two tries.
#[derive(Debug)]
pub(crate) struct Body {
    rest: Rest,
    /// Whether it goes on in chunks, where its end stands among its bytes.
    chunked: bool,
    has_length: bool,
    max_bytes: u64,
    /// Payload bytes read so far.
    pub(crate) bytes: u64,
}

impl Body {
    /// The body of a request. `refusable`: an upstream may say that it has not processed the request, which may then be
    /// sent again whatever its method.
    pub(crate) fn new(request: &Request<'_>, settings: &Settings, refusable: bool) -> Body {
        let replay_bytes = settings.replay_bytes;
        let framing = request.head.framing();
        let fits = match framing {
            Framing::None => false,
            Framing::Length(length) => length <= replay_bytes as u64,
            Framing::Chunked | Framing::UntilClose => true,
        };
        let keep = fits && (refusable || request.is_idempotent());
        Body {
            rest: Rest {
                decoder: BodyDecoder::new(of_source(framing, request.head.version()), &settings.head),
                replay: keep.then(|| Replay { bytes: Vec::new(), limit: replay_bytes }),
                tee: None,
                trailers: None,
            },
            chunked: framing == Framing::Chunked,
            has_length: matches!(framing, Framing::Length(_)),
            max_bytes: settings.max_body_bytes,
            bytes: 0,
        }
    }

    /// What of it is read is also kept there, for a copy.
    pub(crate) fn keep_in(&mut self, tee: Option<Tee>) {
        self.rest.tee = tee;
    }

    /// Whether it was read to its end.
    pub(crate) fn is_read(&self) -> bool {
        self.rest.decoder.is_finished()
    }

    /// Whether it will be possible to send it again, as far as can be known before it was read.
    pub(crate) fn will_be_repeatable(&self) -> bool {
        self.rest.decoder.is_finished() || (self.has_length && self.rest.replay.is_some())
    }

    /// Whether all that was read of it can be sent again.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.bytes == 0 || self.rest.replay.is_some()
    }

    /// The direction client → upstream of one try, towards `sink`: `head`, what was read before, and what is still to
    /// come.
    pub(crate) fn start(&mut self, mut head: Vec<u8>, sink: &impl Sink) -> Leg {
        let coding = Coding::towards(sink, self.chunked);
        let none = Rest { decoder: BodyDecoder::None, replay: None, tee: None, trailers: None };
        let rest = std::mem::replace(&mut self.rest, none);
        if let Some(replay) = rest.replay.as_ref().filter(|replay| !replay.bytes.is_empty()) {
            if coding == Coding::Chunked {
                write::chunk_head(&mut head, replay.bytes.len() as u64);
                head.extend_from_slice(&replay.bytes);
                head.extend_from_slice(write::CHUNK_END);
            } else {
                head.extend_from_slice(&replay.bytes);
            }
        }
        if coding == Coding::Chunked && rest.decoder.is_finished() {
            trailers::write_last_chunk(&mut head, &rest.decoder, rest.trailers.as_deref());
        }
        let mut leg = Leg::resume(head, rest, coding);
        leg.bytes = self.bytes;
        leg.max_bytes = self.max_bytes;
        leg
    }

    /// Takes back what a try left over. Gives its output buffer.
    ///
    /// What the try had decoded and not yet sent is taken out of `source`: it was counted and kept, and what follows
    /// it is where the next try goes on.
    pub(crate) fn stop(&mut self, mut leg: Leg, source: &mut Buffer) -> Vec<u8> {
        leg.give_up(source);
        self.bytes = leg.bytes;
        let (rest, out) = leg.into_parts();
        self.rest = rest;
        out
    }
}

/// How the end of the content is found in what the client sends: over HTTP/2 it is the end of the stream, whatever was
/// announced (the stream has checked that).
fn of_source(framing: Framing, version: Version) -> Framing {
    match (framing, version) {
        (Framing::Length(_) | Framing::Chunked, Version::Http2) => Framing::UntilClose,
        _ => framing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffers;
    use crate::request::Connection;
    use http1::RequestHead;
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};
    use tokio::io::AsyncWrite;

    /// Takes so many bytes and breaks.
    struct Breaks {
        after: usize,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Breaks {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            let count = bytes.len().min(self.after - self.taken.len());
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
            }
            self.taken.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Sink for Breaks {}
    impl super::super::ends::Source for tokio::io::Empty {}

    /// What two tries sent, the first of which broke after `after` bytes, and what is left of the client's input.
    fn two_tries(framing: &str, body: &str, after: usize) -> (Vec<u8>, Vec<u8>) {
        let mut head = RequestHead::default();
        let text = format!("PUT / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
        head.parse(text.as_bytes(), &http1::Limits::default()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let connection = Connection::new(address, address);
        let request = Request::new(&head, &connection);
        let mut body_state = Body::new(&request, &Settings::default(), false);
        let cx = &mut Context::from_waker(Waker::noop());
        let buffers = Rc::new(Buffers::new(1_024));
        let mut source = buffers.buffer();
        let mut bytes = [body.as_bytes(), b"NEXT"].concat();
        assert!(source.poll_read(&mut bytes.as_slice(), cx).is_ready());
        bytes.clear();
        let mut taken = Vec::new();
        for after in [after, usize::MAX] {
            let mut writer = Breaks { after, taken: Vec::new() };
            let mut leg = body_state.start(b"HEAD".to_vec(), &writer);
            let result = leg.poll(cx, &mut source, &mut tokio::io::empty(), &mut writer);
            assert!(result.is_ready());
            body_state.stop(leg, &mut source);
            taken = writer.taken;
        }
        assert!(body_state.is_read());
        (taken, source.filled().to_vec())
    }

    #[test]
    fn a_second_try_sends_the_whole_body_and_leaves_the_next_request_alone() {
        for after in 0..12 {
            let (taken, left) = two_tries("Content-Length: 6", "abcdef", after);
            assert_eq!((taken.as_slice(), left.as_slice()), (&b"HEADabcdef"[..], &b"NEXT"[..]), "{after}");
            let chunks = "2\r\nab\r\n4\r\ncdef\r\n0\r\nX: y\r\n\r\n";
            let (taken, left) = two_tries("Transfer-Encoding: chunked", chunks, after);
            let expected = &b"HEAD6\r\nabcdef\r\n0\r\nX: y\r\n\r\n"[..];
            assert_eq!((taken.as_slice(), left.as_slice()), (expected, &b"NEXT"[..]), "{after}");
        }
    }
}
