//! A request head from what HTTP/2 says of it: pseudo-header fields and fields, already apart.

use super::authority::Authority;
use super::error::RequestError;
use super::target_form::Target;
use super::{RequestHead, line};
use crate::controls::Controls;
use crate::field_error::FieldError;
use crate::known::Known;
use crate::limits::Limits;
use crate::message::Version;
use crate::syntax;

/// What an HTTP/2 request says before its fields (RFC 9113 section 8.3.1).
#[derive(Debug, Clone, Copy)]
pub struct Pseudo<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:scheme`; only its default port matters here.
    pub scheme: &'a str,
    /// `:authority`.
    pub authority: Option<&'a str>,
    /// `:path`; CONNECT has none.
    pub path: Option<&'a str>,
}

impl RequestHead {
    /// Takes over the head of an HTTP/2 request, held to the same rules as one that was parsed. Gives its size in bytes.
    ///
    /// `fields` gives the fields, lower case, without the pseudo-header fields; `has_content` says that the stream goes on after the
    /// head. `Host` afterwards is what `:authority` says; cookies that came in pieces are one again (section 8.2.3).
    ///
    /// # Errors
    /// A rule that the head breaks. [`RequestError::MalformedPseudo`] resets the stream; others may be answered.
    pub fn assemble<'a, I: Iterator<Item = (&'a str, &'a [u8])>>(
        &mut self,
        pseudo: Pseudo<'a>,
        fields: impl Fn() -> I,
        has_content: bool,
        limits: &Limits,
    ) -> Result<usize, RequestError> {
        self.fields.begin();
        let is_connect = pseudo.method == "CONNECT";
        let target = if is_connect { pseudo.authority } else { pseudo.path };
        let target = target.filter(|target| !target.is_empty()).ok_or(RequestError::MalformedPseudo)?;
        if is_connect && pseudo.path.is_some() {
            return Err(RequestError::MalformedPseudo);
        }
        check_line(pseudo.method, target, limits)?;
        self.method = self.fields.add(pseudo.method.as_bytes());
        self.target = self.fields.add(target.as_bytes());
        self.version = Version::Http2;
        self.parts = Target::of(pseudo.method, target)?;
        let (host, authority) = host(&pseudo, fields())?;
        self.fields.add_all([("host", host.as_bytes())], limits)?;
        let written = self.fields.slots().first().map(|slot| slot.value);
        self.host = written.map(|written| (written, authority));
        let plain = fields().filter(|(name, _)| !matches!(*name, "host" | "cookie"));
        self.fields.add_all(plain, limits)?;
        let mut cookies = fields().filter(|(name, _)| *name == "cookie").map(|(_, value)| value).peekable();
        if cookies.peek().is_some() {
            self.fields.add_joined("cookie", cookies, b"; ", limits)?;
        }
        self.fields.seal();
        if self.fields.all(Known::Te).any(|value| value != b"trailers") {
            return Err(FieldError::OfHttp1Connections(Known::Te).into());
        }
        self.controls = Controls::read(&mut self.fields, self.version)?;
        match self.controls.content_length {
            None => self.controls.chunked = has_content && !is_connect,
            Some(length) if length > 0 && !has_content => return Err(FieldError::InvalidContentLength.into()),
            Some(_) => {}
        }
        self.expects_continue = self.checked_expectation()?;
        Ok(self.fields.len())
    }
}

/// The rules of a request line, and that `:path` is in origin-form, or `*` for OPTIONS.
fn check_line(method: &str, target: &str, limits: &Limits) -> Result<(), RequestError> {
    if method.len() > line::METHOD_BYTES {
        return Err(RequestError::MethodTooLong);
    }
    if !syntax::is_token(method.as_bytes()) {
        return Err(RequestError::MalformedPseudo);
    }
    if target.len() > limits.target_bytes {
        return Err(RequestError::TargetTooLong);
    }
    let has_form = match method {
        "CONNECT" => true,
        "OPTIONS" => target.starts_with('/') || target == "*",
        _ => target.starts_with('/'),
    };
    if !has_form || !line::is_plain(method, target, limits) {
        return Err(RequestError::InvalidTarget);
    }
    Ok(())
}

/// The host that is asked for, and its parts: `:authority`, with which `Host` must agree if both are there.
fn host<'a>(
    pseudo: &Pseudo<'a>,
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(&'a str, Authority), RequestError> {
    let mut hosts = fields.filter(|(name, _)| *name == "host").map(|(_, value)| value);
    let written = hosts.next().map(std::str::from_utf8).transpose().map_err(|_| RequestError::InvalidHost)?;
    if hosts.next().is_some() {
        return Err(RequestError::RepeatedHost);
    }
    let host = pseudo.authority.or(written).ok_or(RequestError::MissingHost)?;
    let authority = Authority::parse(host).ok_or(RequestError::InvalidHost)?;
    if let Some(written) = written {
        let other = Authority::parse(written).ok_or(RequestError::InvalidHost)?;
        let port = |authority: Authority| authority.port.or(default_port(pseudo.scheme));
        if !authority.name(host).eq_ignore_ascii_case(other.name(written)) || port(authority) != port(other) {
            return Err(RequestError::HostMismatch);
        }
    }
    Ok((host, authority))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}
