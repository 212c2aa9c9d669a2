//! Version 1: one line of text.

use super::{Announced, Progress, ProxyError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// Longest line with its end, by the specification.
const MAX_LINE_BYTES: usize = 107;
/// Shortest lines: `PROXY UNKNOWN`, TCP4 and TCP6, each with its end.
const MIN_BYTES: usize = 15;
const MIN_TCP4_BYTES: usize = 32;
const MIN_TCP6_BYTES: usize = 22;

pub(super) fn parse(bytes: &[u8]) -> Result<Progress, ProxyError> {
    let within = bytes.get(..MAX_LINE_BYTES).unwrap_or(bytes);
    if let Some(end) = within.iter().position(|byte| *byte == b'\n') {
        let line =
            within.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyError::Malformed)?;
        return Ok(Progress::Whole(read(line)?, end + 1));
    }
    if bytes.len() >= MAX_LINE_BYTES {
        return Err(ProxyError::TooLong);
    }
    let least = match bytes.get(SIGNATURE.len()..SIGNATURE.len() + 4) {
        Some(b"TCP4") => MIN_TCP4_BYTES,
        Some(b"TCP6") => MIN_TCP6_BYTES,
        _ => MIN_BYTES,
    };
    let end = if bytes.last() == Some(&b'\r') { 1 } else { 2 };
    let room = MAX_LINE_BYTES - bytes.len();
    Ok(Progress::Needs(least.saturating_sub(bytes.len()).max(end).min(room)))
}

fn read(line: &[u8]) -> Result<Announced, ProxyError> {
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
    let mut fields = line.split(' ').skip(1);
    match fields.next() {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => Ok(Announced::Own),
        Some("TCP4") => relayed::<Ipv4Addr>(fields),
        Some("TCP6") => relayed::<Ipv6Addr>(fields),
        _ => Err(ProxyError::Unknown),
    }
}

fn relayed<'a, Ip: FromStr + Into<IpAddr>>(
    mut fields: impl Iterator<Item = &'a str>,
) -> Result<Announced, ProxyError> {
    let mut field = || fields.next().ok_or(ProxyError::Malformed);
    let (source, destination, from, to) = (field()?, field()?, field()?, field()?);
    if field().is_ok() {
        return Err(ProxyError::Malformed);
    }
    Ok(Announced::Relayed {
        source: SocketAddr::new(ip::<Ip>(source)?, port(from)?),
        destination: SocketAddr::new(ip::<Ip>(destination)?, port(to)?),
    })
}

fn ip<Ip: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, ProxyError> {
    text.parse::<Ip>().map(Into::into).map_err(|_| ProxyError::Malformed)
}

/// Digits only, without a zero before others.
fn port(text: &str) -> Result<u16, ProxyError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(ProxyError::Malformed)
}
