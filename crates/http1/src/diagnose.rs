//! Names the first rule that a field section breaks.
//!
//! The fast parser only says *that* something is wrong. This one reads byte by byte, runs on the error path alone, and
//! stops at the first wrong byte, so that the answer does not depend on how the bytes arrived.

use crate::field_error::FieldError;
use crate::syntax;

/// From this many bytes on, an unfinished head is looked through by [`may_end`] before it is parsed again.
pub(crate) const LOOK_FIRST_BYTES: usize = 2048;

/// So many bytes are looked through at once.
const BLOCK_BYTES: usize = 512;

#[derive(Clone, Copy)]
enum At {
    LineStart,
    Name,
    Value,
}

/// The first violation in `section`, which starts after the start line's CRLF; `None` if there is none so far.
pub(crate) fn first_violation(section: &[u8], max_fields: usize) -> Option<FieldError> {
    let mut at = At::LineStart;
    let mut fields = 0;
    let mut bytes = section.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            match (bytes.next(), at) {
                // A name cannot end here, whatever follows.
                (_, At::Name) => return Some(FieldError::InvalidName),
                (None, _) => return None,
                (Some(b'\n'), At::Value) => fields += 1,
                (Some(b'\n'), At::LineStart) => return None,
                (Some(_), _) => return Some(FieldError::BareCr),
            }
            if fields > max_fields {
                return Some(FieldError::TooMany);
            }
            at = At::LineStart;
            continue;
        }
        at = match (at, byte) {
            (_, b'\n') => return Some(FieldError::BareLf),
            (At::LineStart, b' ' | b'\t') => return Some(FieldError::LineFolding),
            (At::Name, b' ' | b'\t') => return Some(FieldError::SpaceBeforeColon),
            (At::Name, b':') => At::Value,
            (At::LineStart | At::Name, byte) if syntax::is_token_byte(byte) => At::Name,
            (At::LineStart | At::Name, _) => return Some(FieldError::InvalidName),
            (At::Value, byte) if syntax::is_value_byte(byte) => At::Value,
            (At::Value, _) => return Some(FieldError::InvalidValue),
        };
    }
    None
}

/// What the fast parser's own word for an error means, for the case that [`first_violation`] finds none.
pub(crate) fn translate(error: httparse::Error) -> FieldError {
    match error {
        httparse::Error::HeaderName => FieldError::InvalidName,
        httparse::Error::NewLine => FieldError::BareCr,
        httparse::Error::TooManyHeaders => FieldError::TooMany,
        _ => FieldError::InvalidValue,
    }
}

/// Whether a head may end within `window`: it has an empty line, however its lines end.
///
/// A look at every byte without a branch, many times faster than parsing. A head that arrives in many small pieces is
/// parsed again only when this says yes, so its cost stays near that of the reads. It goes by blocks, as the end of a head
/// that has come with much content is in the first ones.
pub(crate) fn may_end(window: &[u8]) -> bool {
    // An empty line and the end before it may lie across two blocks.
    let block = |at: usize| window.get(at..(at + BLOCK_BYTES + 2).min(window.len())).unwrap_or_default();
    (0..window.len()).step_by(BLOCK_BYTES).any(|at| has_empty_line(block(at))) || window.ends_with(b"\n\n")
}

fn has_empty_line(block: &[u8]) -> bool {
    let second = block.get(1..).unwrap_or_default();
    let third = block.get(2..).unwrap_or_default();
    block.iter().zip(second).zip(third).fold(false, |found, ((&a, &b), &c)| {
        found | ((a == b'\n') & ((b == b'\n') | ((b == b'\r') & (c == b'\n'))))
    })
}
