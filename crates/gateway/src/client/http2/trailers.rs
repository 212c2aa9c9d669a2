//! Whether trailers begin with a pseudo-header field, from the bytes of their block (RFC 7541, section 6).
//!
//! Pseudo-header fields come before all others, so the first field tells. Nothing is decoded: a field of the static table
//! is known by its index, a literal name by its first character. Of a field from the dynamic table nothing is known; if it
//! is a pseudo-header field, it is dropped where the block is decoded.

/// The last pseudo-header field of the static table (RFC 7541, appendix A).
const LAST_PSEUDO: u32 = 14;
/// `:` in the code of Huffman, 7 bits (RFC 7541, appendix B).
const COLON: u8 = 0b101_1100;
/// Bytes that are looked at: padding length, priority, two changes of the table's size, an index, a length, a character.
const LOOKED_AT: usize = 32;

/// The first bytes of the payload of a HEADERS frame.
#[derive(Debug)]
pub(super) struct Beginning {
    bytes: [u8; LOOKED_AT],
    len: usize,
    /// Bytes before the block.
    skip: usize,
}

impl Beginning {
    pub(super) fn new(is_padded: bool, has_priority: bool) -> Beginning {
        let skip = usize::from(is_padded) + if has_priority { 5 } else { 0 };
        Beginning { bytes: [0; LOOKED_AT], len: 0, skip }
    }

    /// Takes the next bytes of the payload. `None`: more are needed to tell.
    pub(super) fn is_pseudo(&mut self, payload: &[u8]) -> Option<bool> {
        let space = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (slot, byte) in space.iter_mut().zip(payload) {
            *slot = *byte;
            self.len += 1;
        }
        let block = self.bytes.get(self.skip..self.len).unwrap_or_default();
        first_is_pseudo(block).or((self.len == LOOKED_AT).then_some(false))
    }
}

/// Whether the first field of a block is a pseudo-header field.
fn first_is_pseudo(mut block: &[u8]) -> Option<bool> {
    loop {
        let first = *block.first()?;
        let prefix_bits = match first {
            0x80.. => 7,
            0x40.. => 6,
            0x20.. => 5,
            _ => 4,
        };
        let (index, rest) = integer(block, prefix_bits)?;
        if prefix_bits == 5 {
            // A change of the table's size.
            block = rest;
            continue;
        }
        if index > 0 {
            return Some(index <= LAST_PSEUDO);
        }
        let is_huffman = rest.first()? & 0x80 != 0;
        let (length, name) = integer(rest, 7)?;
        let character = match length {
            0 => return Some(false),
            _ => *name.first()?,
        };
        return Some(if is_huffman { character >> 1 == COLON } else { character == b':' });
    }
}

/// An integer with a prefix of so many bits, and what follows it (RFC 7541, section 5.1). One that is longer than any that
/// means something here reads as the largest number.
fn integer(bytes: &[u8], prefix_bits: u8) -> Option<(u32, &[u8])> {
    let most = (1_u32 << prefix_bits) - 1;
    let (first, mut rest) = bytes.split_first()?;
    let mut number = u32::from(*first) & most;
    if number < most {
        return Some((number, rest));
    }
    let mut shift = 0;
    loop {
        let (byte, after) = rest.split_first()?;
        let part = u32::from(byte & 0x7F).checked_shl(shift).unwrap_or(u32::MAX);
        number = number.saturating_add(part);
        shift += 7;
        rest = after;
        if byte & 0x80 == 0 {
            return Some((number, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_tells() {
        let pseudo: [&[u8]; 8] = [
            &[0x84],
            &[0x8E],
            &[0x20, 0x82],
            &[0x3F, 0xE1, 0x1F, 0x42, 0x00],
            &[0x04, 0x01, b'/'],
            &[0x11, 0x01, b'h'],
            &[0x00, 0x05, b':'],
            &[0x40, 0x84, 0xB9],
        ];
        for block in pseudo {
            assert_eq!(first_is_pseudo(block), Some(true), "{block:02x?}");
            assert_eq!(
                first_is_pseudo(&block[..block.len() - 1]),
                None.or(known_before(block)),
                "{block:02x?}"
            );
        }
        let others: [&[u8]; 6] = [
            &[0x8F],
            &[0xBE],
            &[0xFF, 0x80, 0x01],
            &[0x00, 0x01, b'x'],
            &[0x40, 0x81, 0xF3],
            &[0x0F, 0x0F, 0x01],
        ];
        for block in others {
            assert_eq!(first_is_pseudo(block), Some(false), "{block:02x?}");
        }
    }

    /// An index tells without what follows it.
    fn known_before(block: &[u8]) -> Option<bool> {
        matches!(block, [0x3F, ..] | [0x04 | 0x11, ..]).then_some(true)
    }

    #[test]
    fn padding_and_priority_are_skipped_and_bytes_may_come_one_by_one() {
        let payload = [2, 0, 0, 0, 0, 16, 0x84, 0, 0];
        let mut beginning = Beginning::new(true, true);
        let told: Vec<_> = payload.chunks(1).map(|byte| beginning.is_pseudo(byte)).collect();
        assert_eq!(&told[..7], [None, None, None, None, None, None, Some(true)]);
        let mut endless = Beginning::new(false, false);
        assert_eq!(endless.is_pseudo(&[0x3F; LOOKED_AT]), Some(false), "the crate refuses it");
    }
}
