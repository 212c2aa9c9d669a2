//! The request body over several tries: what was read of it is kept, within a bound, so that it can be sent again.

use super::leg::{Leg, Replay};
use crate::buffer::Buffer;
use crate::request::Request;
use crate::settings::Settings;
use http1::{BodyDecoder, Framing, write};

/// The request body between two tries.
#[derive(Debug)]
pub(crate) struct Body {
    decoder: BodyDecoder,
    replay: Option<Replay>,
    chunked: bool,
    max_bytes: u64,
    /// Payload bytes read so far.
    pub(crate) bytes: u64,
}

impl Body {
    pub(crate) fn new(request: &Request<'_>, settings: &Settings) -> Body {
        let replay_bytes = settings.replay_bytes;
        let framing = request.head.framing();
        let fits = match framing {
            Framing::None => false,
            Framing::Length(length) => length <= replay_bytes as u64,
            Framing::Chunked | Framing::UntilClose => true,
        };
        let keep = fits && request.is_idempotent();
        Body {
            decoder: BodyDecoder::new(framing, &settings.head),
            replay: keep.then(|| Replay { bytes: Vec::new(), limit: replay_bytes }),
            chunked: framing == Framing::Chunked,
            max_bytes: settings.max_body_bytes,
            bytes: 0,
        }
    }

    /// Whether it was read to its end.
    pub(crate) fn is_read(&self) -> bool {
        self.decoder.is_finished()
    }

    /// Whether all that was read of it can be sent again.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.bytes == 0 || self.replay.is_some()
    }

    /// The direction client → upstream of one try: `head`, what was read before, and what is still to come.
    pub(crate) fn start(&mut self, mut head: Vec<u8>) -> Leg {
        if let Some(replay) = self.replay.as_ref().filter(|replay| !replay.bytes.is_empty()) {
            if self.chunked {
                write::chunk_head(&mut head, replay.bytes.len() as u64);
                head.extend_from_slice(&replay.bytes);
                head.extend_from_slice(write::CHUNK_END);
            } else {
                head.extend_from_slice(&replay.bytes);
            }
        }
        if self.chunked && self.decoder.is_finished() {
            write::last_chunk(&mut head, self.decoder.trailers());
        }
        let decoder = std::mem::replace(&mut self.decoder, BodyDecoder::None);
        let mut leg = Leg::new(head, decoder, self.chunked);
        leg.replay = self.replay.take();
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
        let (decoder, replay, out) = leg.into_parts();
        (self.decoder, self.replay) = (decoder, replay);
        out
    }
}
