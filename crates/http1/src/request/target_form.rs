//! The four forms of a request target (RFC 9112 section 3.2), taken apart by position.

use super::authority::Authority;
use super::error::RequestError;
use crate::scan;

/// A form of request target (RFC 9112 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`, as sent to a proxy.
    Absolute,
    /// `host:port`, for CONNECT alone.
    Authority,
    /// `*`, for OPTIONS alone.
    Asterisk,
}

/// A start and a length within the target.
type At = (usize, usize);

/// Where the parts of a target lie in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Target {
    pub(super) form: Form,
    pub(super) path: Option<At>,
    /// Stands in for a path that the target does not spell.
    pub(super) implied_path: &'static str,
    pub(super) query: Option<At>,
    pub(super) authority: Option<(At, Authority)>,
    default_port: Option<u16>,
}

impl Target {
    /// Takes a target apart. Its bytes are visible ASCII without `#`.
    pub(super) fn of(method: &str, target: &str) -> Result<Self, RequestError> {
        if method == "CONNECT" {
            return Self::of_connect(target);
        }
        if target.starts_with('/') {
            return Ok(Self { form: Form::Origin, ..Self::default() }.with_path(target, 0));
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Self { form: Form::Asterisk, implied_path: "*", ..Self::default() });
        }
        Self::of_absolute(method, target)
    }

    fn of_connect(target: &str) -> Result<Self, RequestError> {
        let authority = Authority::parse(target).ok_or(RequestError::InvalidTarget)?;
        if authority.port.is_none() {
            return Err(RequestError::InvalidTarget);
        }
        let at = (0, target.len());
        let default_port = authority.port;
        Ok(Self { form: Form::Authority, authority: Some((at, authority)), default_port, ..Self::default() })
    }

    fn of_absolute(method: &str, target: &str) -> Result<Self, RequestError> {
        let (scheme, rest) = target.split_once("://").ok_or(RequestError::InvalidTarget)?;
        let default_port = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return Err(RequestError::InvalidTarget),
        };
        let len = rest.find(['/', '?']).unwrap_or(rest.len());
        let start = scheme.len() + "://".len();
        let text = rest.get(..len).unwrap_or_default();
        let authority = Authority::parse(text).ok_or(RequestError::InvalidHost)?;
        // RFC 9112 section 3.2.4: OPTIONS of a URI with neither path nor query means the server as a whole.
        let whole_server = method == "OPTIONS" && start + len == target.len();
        let parts = Self {
            form: Form::Absolute,
            implied_path: if whole_server { "*" } else { "/" },
            authority: Some(((start, len), authority)),
            default_port: Some(default_port),
            ..Self::default()
        };
        Ok(parts.with_path(target, start + len))
    }

    /// Fills in path and query from what follows `start`.
    fn with_path(mut self, target: &str, start: usize) -> Self {
        let rest = target.get(start..).unwrap_or_default();
        let len = scan::first_of(rest.as_bytes(), b'?').unwrap_or(rest.len());
        if len > 0 {
            self.path = Some((start, len));
        }
        if len < rest.len() {
            self.query = Some((start + len + 1, rest.len() - len - 1));
        }
        self
    }

    /// Whether two ports are the same, one left out being the scheme's own (for CONNECT: the target's).
    pub(super) fn same_port(&self, named: Option<u16>, host: Option<u16>) -> bool {
        named.or(self.default_port) == host.or(self.default_port)
    }
}
