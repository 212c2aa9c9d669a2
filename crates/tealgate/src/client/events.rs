//! Server-sent events (HTML standard, "Server-sent events"): `event:`, `data:` and a blank line.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::collections::VecDeque;

/// Longest event, bytes.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` when none is named.
    pub name: String,
    /// Its data; lines are joined by newlines.
    pub data: String,
}

/// Events as they come.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    reader: EventReader,
}

/// Why no further event comes.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The connection broke.
    #[error("the stream of events broke off")]
    Broken(#[source] hyper::Error),
    /// An event is larger than 16 MiB.
    #[error("an event is larger than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Events {
        Events { body, reader: EventReader::default() }
    }

    /// The next event; `None` when the server has ended the stream. Safe to cancel: nothing is lost.
    ///
    /// # Errors
    /// When the connection breaks or an event is too large.
    pub async fn next(&mut self) -> Result<Option<Event>, EventsError> {
        loop {
            if let Some(event) = self.reader.events.pop_front() {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(EventsError::Broken(error)),
                Some(Ok(frame)) => self.reader.take(&frame.into_data().unwrap_or_else(|_| Bytes::new()))?,
            }
        }
    }
}

/// Bytes → events; sans-IO.
#[derive(Debug, Default)]
struct EventReader {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
    after_cr: bool,
    events: VecDeque<Event>,
}

impl EventReader {
    fn take(&mut self, bytes: &[u8]) -> Result<(), EventsError> {
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(),
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > MAX_EVENT_BYTES {
                return Err(EventsError::TooLarge);
            }
        }
        Ok(())
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            if std::mem::take(&mut self.has_data) {
                let name = if name.is_empty() { "message".to_owned() } else { name };
                self.events.push_back(Event { name, data });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut reader = EventReader::default();
        for piece in pieces {
            reader.take(piece).unwrap();
        }
        reader.events.into_iter().map(|event| (event.name, event.data)).collect()
    }

    fn pair(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn events_are_read_by_the_standard() {
        let text =
            b": hello\nevent: release\ndata: 1\ndata: 2\n\ndata:x\r\n\r\nevent: empty\n\nid: 7\ndata\n\n";
        assert_eq!(read(&[text]), [pair("release", "1\n2"), pair("message", "x"), pair("message", "")]);
    }

    #[test]
    fn an_event_without_its_blank_line_is_not_told() {
        assert!(read(&[b"data: 1\n"]).is_empty());
    }

    proptest! {
        #[test]
        fn where_the_network_cuts_does_not_matter(cuts in proptest::collection::vec(0_usize..40, 0..6)) {
            let text: &[u8] = b"event: a\r\ndata: 1\r\n\r\ndata: 2\n\ndata: 3\r\r";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[text]));
            prop_assert_eq!(read(&pieces).len(), 3);
        }
    }
}
