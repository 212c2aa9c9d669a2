//! Follows the frames that go out (RFC 9113, section 4.1), to tell how much of what answers have queued has left: an
//! exchange ends when its last bytes are queued, and the windows of a slow client may hold them for long.

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0x0;

/// The frames of one connection.
#[derive(Debug, Default)]
pub(super) struct Outflow {
    header: [u8; HEADER_BYTES],
    header_len: usize,
    payload_left: usize,
    is_data: bool,
    /// Bytes of content in the DATA frames so far.
    pub(super) content: u64,
}

impl Outflow {
    /// Takes the next bytes that go out.
    pub(super) fn wrote(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let count = self.payload_left.min(bytes.len());
                self.payload_left -= count;
                self.content += if self.is_data { count as u64 } else { 0 };
                bytes = bytes.get(count..).unwrap_or_default();
                continue;
            }
            let space = self.header.get_mut(self.header_len..).unwrap_or_default();
            let count = space.len().min(bytes.len());
            for (slot, byte) in space.iter_mut().zip(bytes) {
                *slot = *byte;
            }
            self.header_len += count;
            bytes = bytes.get(count..).unwrap_or_default();
            if self.header_len == HEADER_BYTES {
                let [high, middle, low, kind, ..] = self.header;
                self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                self.is_data = kind == DATA;
                self.header_len = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_data_frames_is_counted_however_it_is_cut() {
        let frames = [
            &[0, 0, 3, 0x1, 0x4, 0, 0, 0, 1, b'a', b'b', b'c'][..],
            &[0, 0, 2, 0x0, 0x0, 0, 0, 0, 1, b'd', b'e'],
            &[0, 0, 0, 0x4, 0x1, 0, 0, 0, 0],
            &[0, 0, 1, 0x0, 0x1, 0, 0, 0, 1, b'f'],
        ]
        .concat();
        for size in 1..=frames.len() {
            let mut outflow = Outflow::default();
            frames.chunks(size).for_each(|piece| outflow.wrote(piece));
            assert_eq!(outflow.content, 3, "{size}");
        }
    }
}
