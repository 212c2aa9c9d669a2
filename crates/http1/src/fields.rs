//! The fields of one head or trailer section: the bytes, copied once, and where each name and value lies in them.

use crate::field_error::FieldError;
use crate::known::Known;
use crate::limits::{Limits, MAX_HEAD_BYTES};
use crate::scan;
use crate::syntax;
use crate::write;

/// What HPACK counts for a field beside its name and value (RFC 9113 section 6.5.2): so many cost no less than few.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// A range of a head's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes of a head are bounded by `MAX_HEAD_BYTES`, so offsets fit.
    pub(crate) fn new(start: usize, len: usize) -> Self {
        Self { start: start as u32, end: (start + len) as u32 }
    }

    /// The range of `part` within itself: `start` and `len` are relative to this span.
    pub(crate) fn part(self, start: usize, len: usize) -> Self {
        Self::new(self.start as usize + start, len)
    }

    fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    name: Span,
    pub(crate) value: Span,
    pub(crate) known: Known,
    hop_by_hop: bool,
    /// The line stands in the head as [`write::header`] would write it.
    as_written: bool,
}

impl Slot {
    fn name_and_value(name: Span, value: Span, known: Known) -> Slot {
        Slot { name, value, known, hop_by_hop: known.is_hop_by_hop(), as_written: false }
    }

    /// Where the next line begins, if this one is as it would be written.
    fn line_end(&self) -> u32 {
        self.value.end + 2
    }
}

/// One header field, as received: the name's case and the order of fields are kept.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// The field name as the peer wrote it.
    pub name: &'a str,
    /// The field value without white space around it; may hold obs-text (bytes from 0x80).
    pub value: &'a [u8],
    /// The name, if it is one a proxy acts on.
    pub known: Known,
    pub(crate) hop_by_hop: bool,
}

/// The name alone: values may be secrets.
impl std::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A field section that owns its bytes and keeps its memory between messages.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    /// The whole head. Where it is not UTF-8, each byte from 0x80 is a `?` here and the truth is in `raw`; names,
    /// methods and targets are ASCII, so they can be read from here at no cost.
    text: String,
    /// The head's bytes, only if they are not UTF-8, or are still being added.
    raw: Vec<u8>,
    slots: Vec<Slot>,
    /// One bit for each [`Known`] that occurs.
    present: u64,
}

/// The number of fields alone: values may be secrets.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").field("len", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Fields {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.raw.clear();
        self.slots.clear();
        self.present = 0;
    }

    /// Takes over a head that the fast parser found whole. `headers` are slices of `head`.
    ///
    /// Checks what that parser leaves open: that each line ends in CRLF. What precedes a name is the end of a line, and
    /// the head's last four bytes are the ends of two.
    pub(crate) fn load(&mut self, head: &[u8], headers: &[httparse::Header<'_>]) -> Result<(), FieldError> {
        self.clear();
        for header in headers {
            let name_at = offset(head, header.name.as_bytes());
            let line_end = name_at.saturating_sub(2)..name_at;
            if name_at > 0 && head.get(line_end) != Some(b"\r\n") {
                return Err(FieldError::BareLf);
            }
            let known = Known::of(header.name.as_bytes());
            self.present |= known.bit();
            let (value_at, value_len) = (offset(head, header.value), header.value.len());
            let name_end = name_at + header.name.len();
            let between = head.get(name_end..value_at);
            let behind = head.get(value_at + value_len..).and_then(<[u8]>::first_chunk);
            let (name, value) = (Span::new(name_at, header.name.len()), Span::new(value_at, value_len));
            self.slots.push(Slot {
                as_written: between == Some(b": ".as_slice()) && behind == Some(b"\r\n"),
                ..Slot::name_and_value(name, value, known)
            });
        }
        if !head.ends_with(b"\r\n\r\n") {
            return Err(FieldError::BareLf);
        }
        match std::str::from_utf8(head) {
            Ok(text) => self.text.push_str(text),
            Err(_) => {
                self.raw.extend_from_slice(head);
                self.text.extend(shown(head));
            }
        }
        Ok(())
    }

    /// Takes over a head whose fields begin at `from`, at most so many, if it is as nearly all are, and gives its length:
    /// visible ASCII and blanks, each line `name: value` with one blank and an end of CRLF. `None` says nothing about the
    /// head, of which too little may be there.
    pub(crate) fn load_plain(&mut self, window: &[u8], from: usize, most: usize) -> Option<usize> {
        self.clear();
        let mut at = from;
        loop {
            let rest = window.get(at..)?;
            let len = scan::first_special(rest)?;
            if rest.get(len..len + 2)? != b"\r\n" {
                return None;
            }
            if len == 0 {
                break;
            }
            let line = rest.get(..len)?;
            let name_len = scan::first_of(line, b':')?;
            let (name, colon_and_value) = line.split_at_checked(name_len)?;
            let value = colon_and_value.strip_prefix(b": ")?;
            let has_blanks_around = matches!(value, [] | [b' ', ..] | [.., b' ']);
            let known = Known::of(name);
            let is_name = known != Known::Other || syntax::is_token(name);
            if !is_name || has_blanks_around || self.slots.len() == most {
                return None;
            }
            self.present |= known.bit();
            let (name, value) = (Span::new(at, name_len), Span::new(at + name_len + 2, value.len()));
            self.slots.push(Slot { as_written: true, ..Slot::name_and_value(name, value, known) });
            at += len + 2;
        }
        let head = window.get(..at + 2)?;
        self.text.push_str(std::str::from_utf8(head).ok()?);
        Some(head.len())
    }

    /// Takes over the fields of an HTTP/2 head that was begun, behind what is there, and holds them to the rules of HTTP/1.
    ///
    /// Checks names and values byte by byte (RFC 9113 section 8.2.1): what comes from a binary format could break out
    /// of its line in the other. Fields that speak of the connection are malformed (section 8.2.2).
    pub(crate) fn add_all<'a>(
        &mut self,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        limits: &Limits,
    ) -> Result<(), FieldError> {
        let max_bytes = limits.head_bytes.min(MAX_HEAD_BYTES);
        for (name, value) in fields {
            if self.slots.len() == limits.header_slots() {
                return Err(FieldError::TooMany);
            }
            let overhead = (self.slots.len() + 1) * FIELD_OVERHEAD_BYTES;
            if self.raw.len() + name.len() + value.len() + overhead > max_bytes {
                return Err(FieldError::TooLarge);
            }
            if !syntax::is_lower_token(name.as_bytes()) {
                return Err(FieldError::InvalidName);
            }
            if !syntax::is_field_value(value) {
                return Err(FieldError::InvalidValue);
            }
            let known = Known::of(name.as_bytes());
            if known.is_of_http1_connections() {
                return Err(FieldError::OfHttp1Connections(known));
            }
            self.present |= known.bit();
            let name = self.add(name.as_bytes());
            let value = self.add(value);
            self.slots.push(Slot::name_and_value(name, value, known));
        }
        Ok(())
    }

    /// Takes over one field whose value came in parts, under the rules of [`Fields::add_all`].
    pub(crate) fn add_joined<'a>(
        &mut self,
        name: &str,
        parts: impl Iterator<Item = &'a [u8]>,
        separator: &[u8],
        limits: &Limits,
    ) -> Result<(), FieldError> {
        let mut whole = Vec::new();
        for (at, part) in parts.enumerate() {
            if at > 0 {
                whole.extend_from_slice(separator);
            }
            whole.extend_from_slice(part);
        }
        self.add_all([(name, whole.as_slice())], limits)
    }

    /// How many bytes names, values and what stands before them take.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Begins a head that comes in parts: they are added one after the other, and then [`Fields::seal`]ed.
    pub(crate) fn begin(&mut self) {
        self.clear();
        self.raw = std::mem::take(&mut self.text).into_bytes();
    }

    /// Appends bytes and says where they lie.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Span {
        let span = Span::new(self.raw.len(), bytes.len());
        self.raw.extend_from_slice(bytes);
        span
    }

    /// All parts of the head are there. Whether they are UTF-8 is looked at once, for all of them.
    pub(crate) fn seal(&mut self) {
        match String::from_utf8(std::mem::take(&mut self.raw)) {
            Ok(text) => self.text = text,
            Err(error) => {
                self.raw = error.into_bytes();
                self.text.extend(shown(&self.raw));
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        if self.raw.is_empty() { self.text.as_bytes() } else { &self.raw }
    }

    /// The text of a span that is known to be ASCII.
    pub(crate) fn text(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The bytes of a span.
    pub(crate) fn value(&self, span: Span) -> &[u8] {
        self.bytes().get(span.range()).unwrap_or_default()
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0
    }

    pub(crate) fn has_any(&self, bits: u64) -> bool {
        self.present & bits != 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        self.slots.iter().map(|slot| self.header_at(slot))
    }

    fn header_at(&self, slot: &Slot) -> Header<'_> {
        Header {
            name: self.text(slot.name),
            value: self.value(slot.value),
            known: slot.known,
            hop_by_hop: slot.hop_by_hop,
        }
    }

    /// Writes the fields that `keep` wants, in order. Neighbours that already stand in the head as they are to be written
    /// are copied together.
    pub(crate) fn write(&self, out: &mut Vec<u8>, keep: impl Fn(&Header<'_>) -> bool) {
        let mut run = Span::default();
        for slot in &self.slots {
            let header = self.header_at(slot);
            if !keep(&header) {
                continue;
            }
            if slot.as_written && slot.name.start == run.end {
                run.end = slot.line_end();
                continue;
            }
            out.extend_from_slice(self.value(run));
            run = Span::default();
            if slot.as_written {
                run = Span { start: slot.name.start, end: slot.line_end() };
            } else {
                write::header(out, header.name, header.value);
            }
        }
        out.extend_from_slice(self.value(run));
    }

    /// The first value under a name, whatever its case.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        let named = |slot: &&Slot| {
            slot.name.len() == name.len() && self.value(slot.name).eq_ignore_ascii_case(name.as_bytes())
        };
        self.slots.iter().find(named).map(|slot| self.value(slot.value))
    }

    /// The values under a known name, in order.
    pub(crate) fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let absent = !self.has(known);
        let slots = if absent { &[] } else { self.slots.as_slice() };
        slots.iter().filter(move |slot| slot.known == known).map(|slot| self.value(slot.value))
    }

    /// Marks each field that `is_named` picks as one that concerns this connection only.
    pub(crate) fn mark_hop_by_hop(&mut self, is_named: impl Fn(&Self, &str) -> bool) {
        for at in 0..self.slots.len() {
            let named = self.slots.get(at).is_some_and(|slot| is_named(self, self.text(slot.name)));
            if let Some(slot) = self.slots.get_mut(at) {
                slot.hop_by_hop |= named;
            }
        }
    }

    /// Drops the fields whose name `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let text = &self.text;
        self.slots.retain(|slot| keep(text.get(slot.name.range()).unwrap_or_default()));
    }
}

/// What stands for bytes that are not UTF-8: the same ASCII at the same places.
fn shown(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' })
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}
