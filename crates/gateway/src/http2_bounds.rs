//! What the crate that speaks HTTP/2 takes of heads and trailers: more than is allowed.
//!
//! That crate answers a head beyond its own bound by itself, with a bare 431 that nobody sees or counts, and of trailers beyond
//! it drops what is beyond. So its bound lies some way above ours: what lies between is refused here as over HTTP/1, and what a
//! peer can make us hold stays a small multiple of what is allowed.

use http1::Limits;

/// A head of so many times `head_bytes` comes to us.
const HEADS: usize = 4;
/// Trailers of so many times `trailer_bytes` come to us, whole.
const TRAILERS: usize = 8;
/// What the fields of trailers may add to that: 32 bytes each, as that crate counts, and there are 256 at most.
const FIELDS_BYTES: usize = 16 << 10;
/// Trailers whose block is so many times `trailer_bytes` end their connection.
const TRAILER_BLOCKS: usize = 4;
/// The least bound of such a block: one of many short fields may take twice what they hold.
const MIN_TRAILER_BLOCK_BYTES: usize = 4 << 10;

/// Bytes of a list of fields as that crate counts them (RFC 9113, section 10.5.1), to which it is bounded.
pub(crate) fn list_bytes(limits: &Limits) -> u32 {
    let heads = limits.head_bytes.saturating_mul(HEADS);
    let trailers = limits.trailer_bytes.saturating_mul(TRAILERS).saturating_add(FIELDS_BYTES);
    u32::try_from(heads.max(trailers)).unwrap_or(u32::MAX)
}

/// Bytes that the block of a client's trailers may have, packed as they come. Below it that crate drops nothing of trailers that
/// are within our bounds: what it drops first must fill its bound, and a field that large cannot be packed into fewer bytes.
pub(crate) fn trailer_block_bytes(limits: &Limits) -> u32 {
    let bytes = limits.trailer_bytes.saturating_mul(TRAILER_BLOCKS).max(MIN_TRAILER_BLOCK_BYTES);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a table of HPACK keeps: a larger field cannot be said by its number.
    const TABLE_BYTES: usize = 4 << 10;
    /// What that crate counts for a field beside its name and value; HTTP/1 counts 4.
    const FIELD_BYTES: usize = 32;

    #[test]
    fn a_field_that_is_dropped_from_trailers_that_fit_has_too_large_a_block() {
        for trailer_bytes in [64, 1 << 10, 3 << 10, 8 << 10, 64 << 10, 1 << 20] {
            for head_bytes in [1 << 10, 32 << 10, 1 << 20] {
                let limits = Limits { trailer_bytes, head_bytes, ..Limits::default() };
                let kept = trailer_bytes + http1::MAX_HEADERS * (FIELD_BYTES - 4);
                let dropped = list_bytes(&limits) as usize - kept - FIELD_BYTES;
                assert!(dropped > TABLE_BYTES);
                // The shortest code of Huffman has five bits for a character.
                assert!(dropped * 5 / 8 > trailer_block_bytes(&limits) as usize, "{limits:?}");
            }
        }
    }

    #[test]
    fn what_fits_has_no_block_that_is_too_large() {
        let limits = Limits { trailer_bytes: 64, ..Limits::default() };
        assert_eq!(trailer_block_bytes(&limits), 4 << 10);
        let limits = Limits::default();
        assert_eq!((trailer_block_bytes(&limits), list_bytes(&limits)), (32 << 10, 128 << 10));
    }
}
