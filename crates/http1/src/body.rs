//! Bodies, decoded as they arrive: the caller keeps the bytes, the decoder says which of them are content.

mod chunked;
mod error;
mod trailers;

pub use chunked::ChunkedDecoder;
pub use error::BodyError;
pub use trailers::{check_trailer_bounds, may_trail};

use crate::limits::Limits;
use crate::message::Framing;

/// What the next bytes of a body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is no content in these bytes and more are needed. All of the input is consumed.
    Need {
        /// The length of the input.
        consumed: usize,
    },
    /// `input[skip..skip + len]` is content; `skip + len` bytes are consumed.
    Data {
        /// Bytes of framing before the content.
        skip: usize,
        /// Bytes of content, at least 1.
        len: usize,
    },
    /// The body has ended; the next message starts at `input[consumed..]`.
    End {
        /// Bytes of framing that end the body.
        consumed: usize,
    },
}

impl Step {
    /// How many bytes of the input are done with.
    pub const fn consumed(&self) -> usize {
        match *self {
            Self::Need { consumed } | Self::End { consumed } => consumed,
            Self::Data { skip, len } => skip + len,
        }
    }
}

/// The decoder for any framing.
#[derive(Debug)]
pub enum BodyDecoder {
    /// No content.
    None,
    /// So many bytes are left.
    Length(u64),
    /// Chunked.
    Chunked(Box<ChunkedDecoder>),
    /// Everything until the peer closes; `true` once it has.
    UntilClose(bool),
}

impl BodyDecoder {
    /// The decoder for the content of a message. Allocates for chunks alone: few bodies come in them, and all are moved about.
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Box::new(ChunkedDecoder::new(limits))),
            Framing::UntilClose => Self::UntilClose(false),
        }
    }

    /// Looks at the next bytes of the body. Call again with what [`Step::consumed`] leaves, and with more.
    ///
    /// # Errors
    /// A rule of chunked framing that the bytes break. The decoder stays broken: each later call says the same.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BodyError> {
        match self {
            Self::Chunked(decoder) => decoder.decode(input),
            Self::None | Self::Length(0) | Self::UntilClose(true) => Ok(Step::End { consumed: 0 }),
            Self::Length(_) | Self::UntilClose(_) if input.is_empty() => Ok(Step::Need { consumed: 0 }),
            Self::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= len as u64;
                Ok(Step::Data { skip: 0, len })
            }
            Self::UntilClose(_) => Ok(Step::Data { skip: 0, len: input.len() }),
        }
    }

    /// Tells the decoder that the peer has closed.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] if the body had not ended; fine, and then finished, for [`BodyDecoder::UntilClose`].
    pub fn eof(&mut self) -> Result<(), BodyError> {
        if let Self::UntilClose(closed) = self {
            *closed = true;
        }
        if self.is_finished() { Ok(()) } else { Err(BodyError::Truncated) }
    }

    /// Whether the body has ended. True at once for no content, and as soon as the last byte of a length is consumed.
    pub fn is_finished(&self) -> bool {
        match self {
            Self::None => true,
            Self::Length(left) => *left == 0,
            Self::Chunked(decoder) => decoder.is_finished(),
            Self::UntilClose(closed) => *closed,
        }
    }

    /// The trailer fields that may be forwarded; none before the end.
    pub fn trailers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let chunked = if let Self::Chunked(decoder) = self { Some(&**decoder) } else { None };
        chunked.into_iter().flat_map(ChunkedDecoder::trailers)
    }
}
