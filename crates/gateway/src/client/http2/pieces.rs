//! The pieces of answers among the bytes that are sent: DATA frames with content (RFC 9113, section 6.1).

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0x0;

/// Follows the frames that are sent on one connection.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    header: [u8; HEADER_BYTES],
    header_len: usize,
    payload_left: usize,
}

impl Pieces {
    /// Takes the next bytes, and gives the lengths of the pieces that begin in them.
    pub(super) fn count(&mut self, mut bytes: &[u8], mut piece: impl FnMut(usize)) {
        loop {
            let payload = bytes.len().min(self.payload_left);
            self.payload_left -= payload;
            bytes = bytes.get(payload..).unwrap_or_default();
            let space = self.header.get_mut(self.header_len..).unwrap_or_default();
            let count = bytes.len().min(space.len());
            let (taken, rest) = bytes.split_at_checked(count).unwrap_or_default();
            space.get_mut(..count).unwrap_or_default().copy_from_slice(taken);
            self.header_len += count;
            bytes = rest;
            if self.header_len < HEADER_BYTES {
                return;
            }
            let [high, middle, low, kind, ..] = self.header;
            self.header_len = 0;
            self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
            if kind == DATA && self.payload_left > 0 {
                piece(self.payload_left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_found_however_the_bytes_are_cut(
            frames in prop::collection::vec((0u8..3, 0u8..40), 0..30),
            cut in 1usize..30,
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, length)| {
                let header = [0, 0, *length, *kind, 0, 0, 0, 0, 1];
                header.into_iter().chain(std::iter::repeat_n(0xFF, usize::from(*length)))
            }).collect();
            let mut found = Vec::new();
            let mut pieces = Pieces::default();
            bytes.chunks(cut).for_each(|bytes| pieces.count(bytes, |length| found.push(length)));
            let expected: Vec<_> = frames
                .iter()
                .filter(|(kind, length)| *kind == DATA && *length > 0)
                .map(|(_, length)| usize::from(*length))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
