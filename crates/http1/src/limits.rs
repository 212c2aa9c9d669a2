//! The bounds on what is read before a message is understood. Bounds on bodies belong to the caller.

/// The most header fields a head may have, whatever [`Limits::headers`] says: their slots stand on the stack while
/// a head is parsed.
pub const MAX_HEADERS: usize = 256;

/// The most bytes a head may have, whatever [`Limits::head_bytes`] says: 1 MiB.
pub const MAX_HEAD_BYTES: usize = 1 << 20;

/// What a peer may make us hold for the framing of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Start line and header fields together, in bytes; default 32 KiB, at most [`MAX_HEAD_BYTES`]. Beyond it: 431
    /// (414 if the request line alone is longer).
    pub head_bytes: usize,
    /// Header fields in a head and fields in a trailer section; default 128, at most [`MAX_HEADERS`]. Beyond it: 431.
    pub headers: usize,
    /// Request target in bytes; default 8 KiB. Beyond it: 414.
    pub target_bytes: usize,
    /// Trailer section in bytes, without the empty line that ends it; default 8 KiB, at most
    /// [`MAX_HEAD_BYTES`]. Beyond it: 431.
    pub trailer_bytes: usize,
    /// One chunk-size line with its extensions, without CRLF, in bytes; default 1 KiB. Beyond it: 400.
    pub chunk_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 << 10,
            headers: 128,
            target_bytes: 8 << 10,
            trailer_bytes: 8 << 10,
            chunk_line_bytes: 1 << 10,
        }
    }
}

impl Limits {
    /// The first bytes of `input`, as many as a head may have, and whether that bound was reached.
    pub(crate) fn head_window<'a>(&self, input: &'a [u8]) -> (&'a [u8], bool) {
        let bound = self.head_bytes.min(MAX_HEAD_BYTES);
        match input.get(..bound) {
            Some(window) => (window, true),
            None => (input, false),
        }
    }

    /// How many fields a head or trailer section may have.
    pub(crate) fn header_slots(&self) -> usize {
        self.headers.min(MAX_HEADERS)
    }
}
