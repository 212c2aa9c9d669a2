//! The address of somebody else's HTTP service: a receiver of notifications, a source of evidence.

use std::fmt;

/// Longest address, bytes.
const MAX_LENGTH: usize = 2_048;

/// An `http` or `https` URL (RFC 9110 §4.2), taken apart. Without user information: a secret belongs into a header.
///
/// Path and query may hold a secret (that of a Slack webhook does), so neither `Debug` nor `Display` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress {
    /// Whether it is `https`.
    pub is_secure: bool,
    /// Name or IP address; an IPv6 address without brackets.
    pub host: String,
    /// The port; the scheme's, if none was given.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub target: String,
    authority: String,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither scheme.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// No host, or one with characters that no host has.
    #[error("must name a host")]
    Host,
    /// A port that is none.
    #[error("the port must be 1 to 65535")]
    Port,
    /// A name and password.
    #[error("must not hold a user and password; put a secret into a header")]
    User,
    /// A blank, a control character, a fragment, or not ASCII.
    #[error("must hold no blanks, no # and only ASCII; percent-encode the rest")]
    Character,
    /// Too long.
    #[error("must be at most 2048 bytes long")]
    Length,
}

impl WebAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it; never the address itself.
    pub fn parse(text: &str) -> Result<WebAddress, AddressError> {
        if text.len() > MAX_LENGTH {
            return Err(AddressError::Length);
        }
        let (is_secure, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err(AddressError::Scheme),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(AddressError::Character);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(AddressError::User);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Port)?,
            None if is_secure => 443,
            None => 80,
        };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(WebAddress { is_secure, host, port, target, authority: authority.to_owned() })
    }

    /// What `Host` says: host and port as they were given.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_secure { "https" } else { "http" }, self.authority)
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/...")
    }
}

/// Host and port of an authority.
fn split_port(authority: &str) -> Result<(String, Option<&str>), AddressError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(AddressError::Host)?;
        let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port),
            None if after.is_empty() => None,
            None => return Err(AddressError::Host),
        };
        return is_address.then(|| (host.to_owned(), port)).ok_or(AddressError::Host);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if host.is_empty() || !is_name {
        return Err(AddressError::Host);
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let address = WebAddress::parse("https://hooks.example/a/b?c=d").unwrap();
        assert!(address.is_secure);
        assert_eq!((address.host.as_str(), address.port), ("hooks.example", 443));
        assert_eq!((address.authority(), address.target.as_str()), ("hooks.example", "/a/b?c=d"));
        let address = WebAddress::parse("http://[::1]:9090?q").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.target.as_str()), ("::1", 9_090, "/?q"));
        assert_eq!((address.authority(), address.is_secure), ("[::1]:9090", false));
        assert_eq!(WebAddress::parse("http://prom:9090").unwrap().target, "/");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("", AddressError::Scheme),
            ("ftp://a/", AddressError::Scheme),
            ("HTTP://a/", AddressError::Scheme),
            ("http://", AddressError::Host),
            ("http:///path", AddressError::Host),
            ("http://[::1", AddressError::Host),
            ("http://[nonsense]/", AddressError::Host),
            ("http://a,b/", AddressError::Host),
            ("http://a:/", AddressError::Port),
            ("http://a:0/", AddressError::Port),
            ("http://a:65536/", AddressError::Port),
            ("http://a:b:c/", AddressError::Port),
            ("http://user:word@a/", AddressError::User),
            ("http://a/b c", AddressError::Character),
            ("http://a/b\r\nX: y", AddressError::Character),
            ("http://a/#b", AddressError::Character),
            ("http://ä/", AddressError::Character),
        ] {
            assert_eq!(WebAddress::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(WebAddress::parse(&format!("http://a/{}", "x".repeat(2_048))), Err(AddressError::Length));
    }

    #[test]
    fn path_and_query_are_not_shown() {
        let address = WebAddress::parse("https://hooks.example:8443/services/T0/s3cret?k=s3cret").unwrap();
        assert_eq!(address.to_string(), "https://hooks.example:8443");
        assert!(!format!("{address:?}").contains("s3cret"));
    }
}
