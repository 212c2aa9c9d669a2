//! Chunked transfer coding (RFC 9112 section 7.1), decoded byte by byte outside the content.

use super::Step;
use super::error::BodyError;
use super::trailers::Trailers;
use crate::limits::Limits;
use crate::syntax;

/// How many bytes chunk extensions may take beyond those of the content received. Extensions are thrown away, so a
/// body made of them would cost work and count for nothing.
const EXTENSION_ALLOWANCE_BYTES: u64 = 16 << 10;

/// The most digits of a chunk size, leading zeros included.
const SIZE_DIGITS: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Finished,
    Failed(BodyError),
}

/// An incremental decoder for one chunked body.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// The size being read, then the bytes of content left in the chunk.
    size: u64,
    digits: u8,
    line_bytes: usize,
    max_line_bytes: usize,
    /// Bytes of extensions so far beyond those of content.
    excess_bytes: u64,
    trailers: Trailers,
}

impl ChunkedDecoder {
    /// A decoder at the start of a body.
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: State::Size,
            size: 0,
            digits: 0,
            line_bytes: 0,
            max_line_bytes: limits.chunk_line_bytes,
            excess_bytes: 0,
            trailers: Trailers::new(limits),
        }
    }

    /// Looks at the next bytes of the body. Call again with what [`Step::consumed`] leaves, and with more.
    ///
    /// # Errors
    /// A rule of chunked framing that the bytes break. The decoder stays broken: each later call says the same.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BodyError> {
        let mut at = 0;
        loop {
            match self.state {
                State::Finished => return Ok(Step::End { consumed: at }),
                State::Failed(error) => return Err(error),
                State::Data if at < input.len() => {
                    let len = usize::try_from(self.size).unwrap_or(usize::MAX).min(input.len() - at);
                    self.size -= len as u64;
                    self.excess_bytes = self.excess_bytes.saturating_sub(len as u64);
                    if self.size == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Step::Data { skip: at, len });
                }
                _ => {}
            }
            let Some(&byte) = input.get(at) else { return Ok(Step::Need { consumed: at }) };
            at += 1;
            self.state = self.framing_byte(byte).unwrap_or_else(State::Failed);
        }
    }

    /// Whether the last chunk and the trailer section have been consumed.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// The trailer fields that may be forwarded, in order; none before the end (RFC 9110 section 6.5.1).
    pub fn trailers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.trailers.iter()
    }

    fn framing_byte(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::Size, b'\r') if self.digits > 0 => Ok(State::SizeLf),
            (State::Size, b';') if self.digits > 0 => self.extension_byte(),
            (State::Size, byte) => self.size_digit(byte),
            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, byte) if syntax::is_value_byte(byte) => self.extension_byte(),
            (State::Extension, _) => Err(BodyError::InvalidExtension),
            (State::SizeLf, b'\n') => Ok(self.after_size()),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::Trailers, byte) => {
                let ended = self.trailers.push(byte).map_err(BodyError::Trailer)?;
                Ok(if ended { State::Finished } else { State::Trailers })
            }
            _ => Err(BodyError::InvalidChunkEnd),
        }
    }

    fn size_digit(&mut self, byte: u8) -> Result<State, BodyError> {
        let digit = char::from(byte).to_digit(16).ok_or(BodyError::InvalidChunkSize)?;
        if self.digits == SIZE_DIGITS || self.size >> 59 != 0 {
            return Err(BodyError::ChunkTooLarge);
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        self.line_byte()?;
        Ok(State::Size)
    }

    fn extension_byte(&mut self) -> Result<State, BodyError> {
        self.excess_bytes += 1;
        if self.excess_bytes > EXTENSION_ALLOWANCE_BYTES {
            return Err(BodyError::TooManyExtensions);
        }
        self.line_byte()?;
        Ok(State::Extension)
    }

    fn line_byte(&mut self) -> Result<(), BodyError> {
        self.line_bytes += 1;
        if self.line_bytes > self.max_line_bytes { Err(BodyError::ChunkLineTooLong) } else { Ok(()) }
    }

    fn after_size(&mut self) -> State {
        self.digits = 0;
        self.line_bytes = 0;
        if self.size == 0 { State::Trailers } else { State::Data }
    }
}
