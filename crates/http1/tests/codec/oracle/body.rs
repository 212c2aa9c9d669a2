//! A body, decoded to its end.

use http1::{BodyDecoder, BodyError, Framing, Limits, Step};

/// A body decoded to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// Bytes of the input that belong to the body.
    pub(crate) consumed: usize,
}

/// Decodes a body that may have bytes of the next message behind it, after which the peer closes.
pub(crate) fn decode(framing: Framing, input: &[u8], limits: &Limits) -> Result<Body, BodyError> {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let step = decoder.decode(&input[at..])?;
        if let Step::Data { skip, len } = step {
            content.extend_from_slice(&input[at + skip..at + skip + len]);
        }
        at += step.consumed();
        match step {
            Step::Need { .. } => {
                decoder.eof()?;
                break;
            }
            Step::Data { .. } => {}
            Step::End { .. } => break,
        }
    }
    assert!(decoder.is_finished());
    let trailers = decoder.trailers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Body { content, trailers, consumed: at })
}
