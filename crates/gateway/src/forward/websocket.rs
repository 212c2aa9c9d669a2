//! Where the frames of a WebSocket end (RFC 6455, section 5.2), so that a stream can be closed between two of them, and
//! whether one of them was a close frame. Extensions (such as permessage-deflate) change payloads and reserved bits, but
//! not where a frame ends (section 5.2, *RSV*), and neither do masks, fragments or control frames between them.

/// The opcode of a close frame.
const CLOSE: u8 = 0x8;
/// The longest frame header: 2 bytes, 8 of length, 4 of mask.
const MAX_HEADER: usize = 14;

/// Follows one direction of a WebSocket from its first byte.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; MAX_HEADER],
    header_len: usize,
    payload_left: u64,
    /// The current frame, or the last one, says that no more will come.
    is_close: bool,
}

impl Frames {
    /// Whether the last byte that was fed ended a frame.
    pub(super) fn at_boundary(&self) -> bool {
        self.header_len == 0 && self.payload_left == 0
    }

    /// Whether a whole close frame was fed.
    pub(super) fn has_closed(&self) -> bool {
        self.is_close && self.at_boundary()
    }

    /// How many of the next bytes surely belong to the current frame; at least 1.
    pub(super) fn left(&self) -> u64 {
        self.payload_left.max(1)
    }

    /// Takes the next bytes. What comes behind a close frame is no frame (section 5.5.1).
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.has_closed() {
                return;
            }
            if self.payload_left > 0 {
                let count = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= count;
                bytes = bytes.get(usize::try_from(count).unwrap_or(bytes.len())..).unwrap_or_default();
                continue;
            }
            if let Some(slot) = self.header.get_mut(self.header_len) {
                *slot = *first;
            }
            self.header_len += 1;
            bytes = rest;
            if let Some(payload) = self.payload_length() {
                let [opcode, ..] = self.header;
                self.is_close = opcode & 0x0F == CLOSE;
                self.payload_left = payload;
                self.header_len = 0;
            }
        }
    }

    /// The payload's length, once the header is whole.
    fn payload_length(&self) -> Option<u64> {
        let header = self.header.get(..self.header_len)?;
        let second = *header.get(1)?;
        let mask = if second & 0x80 != 0 { 4 } else { 0 };
        let (extended, length) = match second & 0x7F {
            126 => (2, u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?))),
            127 => (8, u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)),
            short => (0, u64::from(short)),
        };
        (header.len() == 2 + extended + mask).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame of `length` payload bytes, masked or not.
    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).expect("short")),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).expect("fits").to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0xFF, length + if masked { 4 } else { 0 }));
        frame
    }

    #[test]
    fn a_close_frame_counts_once_it_is_whole_also_between_fragments() {
        let mut frames = Frames::default();
        // A first fragment, compressed (RSV1): its end is a boundary although the message goes on.
        frames.feed(&[0x41, 0x03, 1, 2, 3]);
        assert!(frames.at_boundary() && !frames.has_closed());
        frames.feed(&[0x89, 0x80, 0, 0, 0, 0]);
        assert!(frames.at_boundary() && !frames.has_closed(), "a masked ping without payload");
        frames.feed(&[0x88, 0x82, 9, 9, 9, 9, 0]);
        assert!(!frames.at_boundary() && !frames.has_closed());
        frames.feed(&[0]);
        assert!(frames.has_closed());
        frames.feed(&[0x82, 0x7F, 0xFF, 1]);
        assert!(frames.has_closed(), "what comes behind it is no frame");
    }

    #[test]
    fn a_length_that_cannot_be_is_never_a_boundary_again() {
        let mut frames = Frames::default();
        frames.feed(&[&[0x82, 0x7F][..], &[0xFF; 8], &[0; 4_096]].concat());
        assert!(!frames.at_boundary());
    }

    proptest! {
        #[test]
        fn boundaries_are_found_however_the_bytes_are_cut(
            lengths in prop::collection::vec((prop_oneof![0usize..130, 65_530usize..65_540], any::<bool>()), 1..5),
            cut in 1usize..5_000,
        ) {
            let frames: Vec<Vec<u8>> = lengths.iter().map(|(length, masked)| frame(*length, *masked)).collect();
            let ends: Vec<usize> = frames.iter().scan(0, |at, frame| { *at += frame.len(); Some(*at) }).collect();
            let bytes = frames.concat();
            let mut follower = Frames::default();
            let mut at = 0;
            for piece in bytes.chunks(cut) {
                follower.feed(piece);
                at += piece.len();
                prop_assert_eq!(follower.at_boundary(), ends.contains(&at));
            }
        }
    }
}
