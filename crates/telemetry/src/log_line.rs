//! One line of the access log: a request record as JSON, written by hand into a buffer that is already there.
//!
//! No allocation and no formatting machinery: this runs once per request on its thread. Headers are never logged,
//! and query values with the name of a secret are masked ([`crate::masking`]).

use crate::masking::{MASK, is_secret};
use model::record::RequestRecord;
use std::net::IpAddr;

/// The name of a field and what stands around it, put together when this is compiled.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}

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
    text(out, key!("route"), record.route);
    text(out, key!("service"), record.service);
    word(out, key!("answerer"), record.answerer.name());
    word(out, key!("lane"), record.lane.name());
    number(out, key!("epoch"), record.epoch);
    number(out, key!("status"), u64::from(record.status));
    text(out, key!("upstream"), record.upstream);
    number(out, key!("upstream_status"), u64::from(record.upstream_status));
    number(out, key!("tries"), u64::from(record.tries));
    word(out, key!("protocol"), record.protocol);
    text(out, key!("method"), record.method);
    text(out, key!("host"), record.host);
    text(out, key!("path"), record.path);
    query(out, key!("query"), record.query);
    address(out, key!("client"), record.client);
    if !record.consumer.is_empty() {
        text(out, key!("consumer"), record.consumer);
    }
    number(out, key!("total_us"), record.total_us);
    number(out, key!("upstream_us"), record.upstream_us);
    number(out, key!("request_bytes"), record.request_bytes);
    number(out, key!("response_bytes"), record.response_bytes);
    word(out, key!("ending"), record.ending.name());
    out.extend_from_slice(b"}\n");
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A value of our own that needs no escaping.
fn word(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    out.push(b'"');
    escape(out, shortened(value));
    end_of_text(out, value);
}

fn query(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
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
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f;
    let mut rest = value.as_bytes();
    // Without a way out of the loop it is done on many bytes at once; and nearly always there is none.
    if !rest.iter().fold(false, |found, byte| found | is_special(*byte)) {
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

fn address(out: &mut Vec<u8>, key: &[u8], client: IpAddr) {
    use std::io::Write as _;
    out.extend_from_slice(key);
    out.push(b'"');
    match client.to_canonical() {
        IpAddr::V4(client) => {
            for (at, part) in client.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
            }
        }
        // Writing to a `Vec` cannot fail, and this `Display` allocates nothing.
        IpAddr::V6(client) => _ = write!(out, "{client}"),
    }
    out.push(b'"');
}
#[cfg(test)]
mod tests;
