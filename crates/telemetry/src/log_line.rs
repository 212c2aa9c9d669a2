//! One line of the access log: a request record as JSON, written by hand into a buffer that is already there.
//!
//! No allocation and no formatting machinery: this runs once per request on its thread. Headers are never logged,
//! and query values with the name of a secret are masked ([`crate::masking`]). What all lines of a series have in common
//! is put together once ([`SeriesPart`]).

use crate::masking::{MASK, is_secret};
use crate::series::SeriesKey;
use model::record::RequestRecord;

/// What stands where a text was cut.
pub const CUT: char = '…';
/// Longest value of a text field, in bytes as they came; what follows is replaced by `…`.
pub(crate) const MAX_FIELD_BYTES: usize = 4_096;

/// The date and time of a second, RFC 3339 without zone: formatted once per second, not once per line.
#[derive(Debug)]
pub(crate) struct CachedSecond {
    second: i64,
    text: String,
}

impl CachedSecond {
    pub(crate) fn new() -> Self {
        CachedSecond { second: i64::MIN, text: String::new() }
    }

    /// Appends `2026-01-02T03:04:05.678901Z`.
    fn write(&mut self, at_us: i64, out: &mut Vec<u8>) {
        let second = at_us.div_euclid(1_000_000);
        if second != self.second {
            let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            self.text = time.strftime("%Y-%m-%dT%H:%M:%S.").to_string();
            self.second = second;
        }
        out.extend_from_slice(self.text.as_bytes());
        let mut micros = at_us.rem_euclid(1_000_000);
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&digits);
        out.push(b'Z');
    }
}

/// What all lines of a series have in common, between the time and the status.
#[derive(Debug)]
pub struct SeriesPart(Box<[u8]>);

impl SeriesPart {
    pub(crate) fn new(key: &SeriesKey) -> SeriesPart {
        let mut out = b"\",\"route\":\"".to_vec();
        text(&mut out, &key.route);
        out.extend_from_slice(b"\",\"service\":\"");
        text(&mut out, &key.service);
        out.extend_from_slice(b"\",\"answerer\":\"");
        out.extend_from_slice(key.answerer.name().as_bytes());
        out.extend_from_slice(b"\",\"lane\":\"");
        out.extend_from_slice(key.lane.name().as_bytes());
        out.extend_from_slice(b"\",\"epoch\":");
        number(&mut out, key.epoch);
        out.extend_from_slice(b",\"status\":");
        SeriesPart(out.into())
    }
}

/// Appends the record of a request of this series as one line, with its newline.
pub(crate) fn write_line(
    record: &RequestRecord<'_>,
    series: &SeriesPart,
    clock: &mut CachedSecond,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.write(record.at_us, out);
    out.extend_from_slice(&series.0);
    number(out, u64::from(record.status));
    out.extend_from_slice(b",\"upstream\":\"");
    text(out, record.upstream);
    out.extend_from_slice(b"\",\"upstream_status\":");
    number(out, u64::from(record.upstream_status));
    if let Some(status) = record.grpc_status {
        out.extend_from_slice(b",\"grpc_status\":");
        number(out, u64::from(status));
    }
    if let Some(reason) = record.reason {
        out.extend_from_slice(b",\"response_code_details\":\"");
        out.extend_from_slice(reason.name().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"tries\":");
    number(out, u64::from(record.tries));
    out.extend_from_slice(b",\"protocol\":\"");
    out.extend_from_slice(record.protocol.as_bytes());
    out.extend_from_slice(b"\",\"method\":\"");
    text(out, record.method);
    out.extend_from_slice(b"\",\"host\":\"");
    text(out, record.host);
    out.extend_from_slice(b"\",\"path\":\"");
    text(out, record.path);
    out.extend_from_slice(b"\",\"query\":\"");
    query(out, record.query);
    out.extend_from_slice(b"\",\"client\":\"");
    text(out, record.client);
    if !record.consumer.is_empty() {
        out.extend_from_slice(b"\",\"consumer\":\"");
        text(out, record.consumer);
    }
    out.extend_from_slice(b"\",\"total_us\":");
    number(out, record.total_us);
    out.extend_from_slice(b",\"upstream_us\":");
    number(out, record.upstream_us);
    out.extend_from_slice(b",\"request_bytes\":");
    number(out, record.request_bytes);
    out.extend_from_slice(b",\"response_bytes\":");
    number(out, record.response_bytes);
    out.extend_from_slice(b",\"ending\":\"");
    out.extend_from_slice(record.ending.name().as_bytes());
    out.extend_from_slice(b"\"}\n");
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    escape(out, shortened(value));
    end_of_text(out, value);
}

fn query(out: &mut Vec<u8>, value: &str) {
    for pair in shortened(value).split_inclusive(['&', ';']) {
        match pair.split_once('=') {
            Some((name, secret)) if is_secret(name) => {
                escape(out, name);
                out.push(b'=');
                out.extend_from_slice(MASK.as_bytes());
                if let Some(separator @ (b'&' | b';')) = secret.as_bytes().last() {
                    out.push(*separator);
                }
            }
            _ => escape(out, pair),
        }
    }
    end_of_text(out, value);
}

fn end_of_text(out: &mut Vec<u8>, value: &str) {
    if value.len() > MAX_FIELD_BYTES {
        out.extend_from_slice(CUT.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

fn shortened(value: &str) -> &str {
    if value.len() <= MAX_FIELD_BYTES {
        return value;
    }
    let end = (0..=MAX_FIELD_BYTES.min(value.len())).rev().find(|&end| value.is_char_boundary(end));
    value.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Appends the inside of a JSON string (RFC 8259 §7): runs of plain bytes are copied whole.
fn escape(out: &mut Vec<u8>, value: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = value.as_bytes();
    // Nearly always there is nothing to escape.
    if is_plain(rest) {
        return out.extend_from_slice(rest);
    }
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let [byte, after @ ..] = special else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            _ => {
                out.extend_from_slice(b"\\u00");
                let digits = [byte >> 4, byte & 0xf].map(|digit| HEX.get(usize::from(digit)).copied());
                out.extend(digits.into_iter().flatten());
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// What a JSON string must not hold as it is, and DEL.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f
}

/// Whether no byte is special: eight at a time, the last eight of them perhaps once more.
fn is_plain(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
    let last = bytes.last_chunk::<8>().filter(|_| !rest.is_empty());
    match (eights, last) {
        ([], _) => !rest.iter().any(|byte| is_special(*byte)),
        (eights, last) => !eights.iter().chain(last).any(|eight| has_special(u64::from_ne_bytes(*eight))),
    }
}

/// Whether one of eight bytes is special. A byte's high bit is set where subtracting borrows from it and it had none;
/// what is found beyond the first special byte may be wrong, so only whether there is one can be told.
fn has_special(eight: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equals = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    let found = below(eight, 0x20) | equals(b'"') | equals(b'\\') | equals(0x7f);
    found & (ONES << 7) != 0
}

#[cfg(test)]
mod tests;
