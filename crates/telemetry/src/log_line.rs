//! One line of the access log: a request record as JSON, written by hand into a buffer that is already there.
//!
//! No allocation and no formatting machinery: this runs once per request on its thread. Headers are never logged,
//! and query values with the name of a secret are masked ([`crate::masking`]).

use crate::masking::{MASK, is_secret};
use model::record::RequestRecord;
use std::net::IpAddr;

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

/// Appends the record as one line, with its newline.
pub(crate) fn write_line(record: &RequestRecord<'_>, clock: &mut CachedSecond, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.write(record.at_us, out);
    out.push(b'"');
    text(out, "route", record.route);
    text(out, "service", record.service);
    word(out, "answerer", record.answerer.name());
    word(out, "lane", record.lane.name());
    number(out, "epoch", record.epoch);
    number(out, "status", u64::from(record.status));
    text(out, "upstream", record.upstream);
    number(out, "upstream_status", u64::from(record.upstream_status));
    number(out, "tries", u64::from(record.tries));
    text(out, "method", record.method);
    text(out, "host", record.host);
    text(out, "path", record.path);
    query(out, record.query);
    name(out, "client");
    address(out, record.client);
    if !record.consumer.is_empty() {
        text(out, "consumer", record.consumer);
    }
    number(out, "total_us", record.total_us);
    number(out, "upstream_us", record.upstream_us);
    number(out, "request_bytes", record.request_bytes);
    number(out, "response_bytes", record.response_bytes);
    word(out, "ending", record.ending.name());
    out.extend_from_slice(b"}\n");
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(out: &mut Vec<u8>, field: &str, value: u64) {
    name(out, field);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A value of our own that needs no escaping.
fn word(out: &mut Vec<u8>, field: &str, value: &str) {
    name(out, field);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, field: &str, value: &str) {
    name(out, field);
    out.push(b'"');
    escape(out, shortened(value));
    end_of_text(out, value);
}

fn query(out: &mut Vec<u8>, value: &str) {
    name(out, "query");
    out.push(b'"');
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
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

fn shortened(value: &str) -> &str {
    let end = (0..=MAX_FIELD_BYTES.min(value.len())).rev().find(|&end| value.is_char_boundary(end));
    value.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Appends the inside of a JSON string (RFC 8259 §7): runs of plain bytes are copied whole.
fn escape(out: &mut Vec<u8>, value: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = value.as_bytes();
    while let Some(at) =
        rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f)
    {
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

fn address(out: &mut Vec<u8>, client: IpAddr) {
    use std::io::Write as _;
    out.push(b'"');
    // `Display` of an address writes digits only and allocates nothing; writing to a `Vec` cannot fail.
    let _ = write!(out, "{}", client.to_canonical());
    out.push(b'"');
}

#[cfg(test)]
mod tests;
