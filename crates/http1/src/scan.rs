//! Looks for the first of many bytes that is of a kind, sixteen at a time.

use wide::i8x16;

/// How many bytes are looked at at a time.
const LANES: usize = 16;

/// Where the first byte lies that is neither visible ASCII nor a blank.
pub(crate) fn first_special(bytes: &[u8]) -> Option<usize> {
    // With a sign, bytes from 0x80 are less than a blank, too.
    let (blank, delete) = (i8x16::splat(0x20), i8x16::splat(0x7f));
    first(bytes, |lanes| lanes.simd_lt(blank) | lanes.simd_eq(delete))
}

/// Where the first byte of this value lies.
pub(crate) fn first_of(bytes: &[u8], value: u8) -> Option<usize> {
    let wanted = i8x16::splat(value.cast_signed());
    first(bytes, |lanes| lanes.simd_eq(wanted))
}

/// Where the first byte lies whose lane `marks` fills.
fn first(bytes: &[u8], marks: impl Fn(i8x16) -> i8x16) -> Option<usize> {
    let of_lanes = |lanes: &[u8; LANES]| {
        let found = marks(i8x16::new(lanes.map(u8::cast_signed))).to_bitmask();
        (found != 0).then(|| found.trailing_zeros() as usize)
    };
    let (all_lanes, rest) = bytes.as_chunks();
    for (number, lanes) in all_lanes.iter().enumerate() {
        if let Some(at) = of_lanes(lanes) {
            return Some(number * LANES + at);
        }
    }
    // What was looked at may be looked at again: there was nothing.
    if let Some(end) = bytes.last_chunk() {
        return of_lanes(end).map(|at| bytes.len() - LANES + at);
    }
    let mut lanes = [b' '; LANES];
    lanes.get_mut(..rest.len())?.copy_from_slice(rest);
    of_lanes(&lanes).filter(|at| *at < rest.len())
}

#[cfg(test)]
mod tests {
    use super::{first_of, first_special};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(text in "[ -~]{0,40}", rest in prop::collection::vec(any::<u8>(), 0..20)) {
            let bytes = [text.as_bytes(), &rest].concat();
            let expected = bytes.iter().position(|byte| !(b' '..=b'~').contains(byte));
            prop_assert_eq!(first_special(&bytes), expected);
        }

        #[test]
        fn the_first_byte_of_a_value_is_found(
            bytes in prop::collection::vec(prop_oneof![Just(b':'), Just(0xba), any::<u8>(), b'a'..=b'z'], 0..60),
            value in prop_oneof![Just(b' '), Just(b':'), any::<u8>()]
        ) {
            prop_assert_eq!(first_of(&bytes, value), bytes.iter().position(|byte| *byte == value));
        }
    }
}
