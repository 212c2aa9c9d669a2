//! What an upstream answers so that the client can check every byte.
//!
//! To a request with the id `ID` (header [`ID_HEADER`]) whose body has the CRC-32 `C` (0 without a body), and with
//! `size=N` in its query, the body of the answer is the line `ID C` (8 hex digits, newline) and then N bytes of the
//! alphabet, over and over. So an answer that belongs to another request, an upload that was damaged, and a
//! download that is short, long or mixed up all show.

use bytes::Bytes;
use crc32fast::Hasher;

/// Carries the id of a request.
pub const ID_HEADER: &str = "x-request-id";
/// What bodies are made of, over and over.
pub const ALPHABET: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

/// The first line of an answer, with its newline.
#[must_use]
pub fn first_line(id: &str, request_crc32: u32) -> String {
    format!("{id} {request_crc32:08x}\n")
}

/// So many bytes of the alphabet.
#[must_use]
pub fn letters(size: usize) -> Bytes {
    ALPHABET.iter().copied().cycle().take(size).collect()
}

/// The size that a query asks for; 0 if it asks for none.
#[must_use]
pub fn size_of(query: &str) -> u64 {
    let size = query.split('&').find_map(|pair| pair.strip_prefix("size="));
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// Bytes and CRC-32 of the whole answer.
#[must_use]
pub fn length_and_crc32(id: &str, request_crc32: u32, size: u64) -> (u64, u32) {
    let line = first_line(id, request_crc32);
    let mut digest = Hasher::new();
    digest.update(line.as_bytes());
    digest_letters(&mut digest, size);
    (line.len() as u64 + size, digest.finalize())
}

/// Feeds so many bytes of the alphabet, a block at a time.
fn digest_letters(digest: &mut Hasher, size: u64) {
    const LETTERS: usize = ALPHABET.len();
    let block = ALPHABET.repeat(157);
    let mut left = size;
    while left > 0 {
        // Each block but the last is a whole number of alphabets, so every block begins with an `a`.
        debug_assert_eq!(block.len() % LETTERS, 0);
        let part = block.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(&block);
        digest.update(part);
        left -= part.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::{first_line, length_and_crc32, letters, size_of};

    #[test]
    fn the_digest_is_that_of_the_whole_answer() {
        for size in [0, 1, 26, 4_081, 4_082, 4_083, 100_000] {
            let whole = [first_line("run-1", 7).as_bytes(), &letters(size)].concat();
            let expected = (whole.len() as u64, crc32fast::hash(&whole));
            assert_eq!(length_and_crc32("run-1", 7, size as u64), expected, "{size}");
        }
    }

    #[test]
    fn the_size_is_found_in_the_query() {
        for (query, size) in [("size=12", 12), ("a=1&size=3", 3), ("", 0), ("size=x", 0), ("resize=4", 0)] {
            assert_eq!(size_of(query), size, "{query}");
        }
    }
}
