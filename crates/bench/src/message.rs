//! As much of HTTP/1.1 as the benchmark's own messages need: a head with a `Content-Length`. Not a parser to reuse.

/// The head of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, the blank line included.
    pub length: usize,
    /// Bytes of the body; 0 when none is declared.
    pub body_length: usize,
    /// Whether the sender will close afterwards.
    pub close: bool,
}

/// Reads the head at the beginning of the bytes; `None` while it is incomplete.
#[must_use]
pub fn head(bytes: &[u8]) -> Option<Head> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut head = Head { length: end + 4, body_length: 0, close: false };
    for line in bytes.get(..end)?.split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(value) = field(line, b"content-length:") {
            head.body_length = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        } else if let Some(value) = field(line, b"connection:") {
            head.close = value.trim_ascii().eq_ignore_ascii_case(b"close");
        }
    }
    Some(head)
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\nConnection: close\r\n\r\nbody";
        assert_eq!(head(text), Some(Head { length: text.len() - 4, body_length: 12, close: true }));
        assert_eq!(head(&text[..text.len() - 6]), None);
    }
}
