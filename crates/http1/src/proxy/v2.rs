//! Version 2: binary, with extensions (TLVs) behind the addresses. These are skipped; a checksum among them is not looked at.

use super::{Announced, MAX_BYTES, Progress, ProxyError};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// So many bytes are surely not too many: no header of either version is shorter.
const FIRST_BYTES: usize = 15;

/// Bytes of the addresses of a family.
const INET_BYTES: usize = 12;
const INET6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

pub(super) fn parse(bytes: &[u8]) -> Result<Progress, ProxyError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        let until = if bytes.len() < SIGNATURE.len() { FIRST_BYTES } else { FIXED_BYTES };
        return Ok(Progress::Needs(until - bytes.len()));
    };
    let [.., version_and_command, family, high, low] = *fixed;
    let own = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Unknown),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let least = match family {
        0x00 => 0,
        0x11 | 0x12 => INET_BYTES,
        0x21 | 0x22 => INET6_BYTES,
        0x31 | 0x32 => UNIX_BYTES,
        _ => return Err(ProxyError::Unknown),
    };
    if FIXED_BYTES + length > MAX_BYTES {
        return Err(ProxyError::TooLong);
    }
    // What a LOCAL header carries is to be ignored.
    if length < least && !own {
        return Err(ProxyError::Malformed);
    }
    let Some(content) = rest.get(..length) else { return Ok(Progress::Needs(length - rest.len())) };
    let announced = match family {
        _ if own => Announced::Own,
        0x11 => inet(content).ok_or(ProxyError::Malformed)?,
        0x21 => inet6(content).ok_or(ProxyError::Malformed)?,
        // Datagrams and Unix sockets have no address that means something here.
        _ => Announced::Own,
    };
    Ok(Progress::Whole(announced, FIXED_BYTES + length))
}

fn inet(content: &[u8]) -> Option<Announced> {
    let (source, rest) = content.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let (from, to) = ports(rest)?;
    Some(Announced::Relayed {
        source: SocketAddr::from((Ipv4Addr::from(*source), from)),
        destination: SocketAddr::from((Ipv4Addr::from(*destination), to)),
    })
}

fn inet6(content: &[u8]) -> Option<Announced> {
    let (source, rest) = content.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (from, to) = ports(rest)?;
    Some(Announced::Relayed {
        source: SocketAddr::from((Ipv6Addr::from(*source), from)),
        destination: SocketAddr::from((Ipv6Addr::from(*destination), to)),
    })
}

fn ports(bytes: &[u8]) -> Option<(u16, u16)> {
    let (from, rest) = bytes.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*from), u16::from_be_bytes(*to)))
}
