//! The request head: parsed once, checked whole, then read through cheap slices.

mod assemble;
mod authority;
mod error;
mod line;
mod target_form;

use std::mem::MaybeUninit;

use crate::controls::Controls;
use crate::diagnose;
use crate::field_error::FieldError;
use crate::fields::{Fields, Header, Span};
use crate::known::Known;
use crate::limits::{Limits, MAX_HEADERS};
use crate::message::{Framing, Parsed, Version};

pub use assemble::Pseudo;
pub use error::RequestError;
pub use target_form::Form;

use authority::Authority;
use target_form::Target;

/// A request head that keeps its memory from one request to the next.
///
/// Accessors are meaningful after [`RequestHead::parse`] has returned [`Parsed::Complete`].
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    fields: Fields,
    method: Span,
    target: Span,
    version: Version,
    parts: Target,
    host: Option<(Span, Authority)>,
    controls: Controls,
    expects_continue: bool,
}

impl RequestHead {
    /// Parses the head at the start of `input`, which may hold more than the head.
    ///
    /// On [`Parsed::Partial`] call again with the same bytes and more. The outcome does not depend on how the bytes
    /// were cut. At most one empty line before the request line is skipped (RFC 9112 section 2.2).
    ///
    /// # Errors
    /// A rule that the head breaks; answer [`RequestError::status`] and close the connection.
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<Parsed, RequestError> {
        let Some(start) = line::skip_empty_line(input)? else { return Ok(Parsed::Partial) };
        let (window, is_full) = limits.head_window(input.get(start..).unwrap_or_default());
        if window.len() > diagnose::LOOK_FIRST_BYTES && !is_full && !diagnose::may_end(window) {
            line::check(window, limits)?;
            return Ok(Parsed::Partial);
        }
        if let Some(len) = self.load_plain(window, limits) {
            self.conclude()?;
            return Ok(Parsed::Complete { consumed: start + len });
        }
        match self.parse_any(window, is_full, limits)? {
            Parsed::Complete { consumed } => Ok(Parsed::Complete { consumed: start + consumed }),
            Parsed::Partial => Ok(Parsed::Partial),
        }
    }

    /// The long way, for every head.
    fn parse_any(&mut self, window: &[u8], is_full: bool, limits: &Limits) -> Result<Parsed, RequestError> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let slots = storage.get_mut(..limits.header_slots()).unwrap_or_default();
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(window, slots) {
            Ok(httparse::Status::Complete(consumed)) => {
                self.accept(window, consumed, &parsed, limits)?;
                Ok(Parsed::Complete { consumed })
            }
            Ok(httparse::Status::Partial) => unfinished(window, is_full, limits),
            Err(error) => refused(window, is_full, error, limits),
        }
    }

    /// Takes over a head that is whole and checks everything that the fast parser does not.
    fn accept(
        &mut self,
        window: &[u8],
        len: usize,
        parsed: &httparse::Request<'_, '_>,
        limits: &Limits,
    ) -> Result<(), RequestError> {
        let method = parsed.method.unwrap_or_default();
        let target = parsed.path.unwrap_or_default();
        if !line::is_plain(method, target, limits) {
            line::check(window, limits)?;
            return Err(RequestError::InvalidTarget);
        }
        self.fields.load(window.get(..len).unwrap_or_default(), parsed.headers)?;
        self.method = Span::new(0, method.len());
        self.target = Span::new(method.len() + 1, target.len());
        self.version = Version::from_minor(parsed.version);
        self.conclude()
    }

    /// Takes over a head that is as nearly all are, and gives its length. `None` says nothing about the head.
    fn load_plain(&mut self, window: &[u8], limits: &Limits) -> Option<usize> {
        let (method, target, fields_at) = line::plain(window, limits)?;
        let len = self.fields.load_plain(window, fields_at, limits.header_slots())?;
        self.method = Span::new(0, method);
        self.target = Span::new(method + 1, target);
        self.version = Version::Http11;
        Some(len)
    }

    /// Reads what the fields say, and checks it.
    fn conclude(&mut self) -> Result<(), RequestError> {
        self.controls = Controls::read(&mut self.fields, self.version)?;
        self.parts = Target::of(self.method(), self.target())?;
        self.host = self.checked_host()?;
        self.expects_continue = self.checked_expectation()?;
        let has_content = self.controls.chunked || self.controls.content_length.unwrap_or(0) > 0;
        if self.method() == "CONNECT" && has_content {
            return Err(RequestError::ContentInConnect);
        }
        Ok(())
    }

    /// One valid `Host` that agrees with the target (RFC 9112 section 3.2, RFC 9110 section 7.2).
    fn checked_host(&self) -> Result<Option<(Span, Authority)>, RequestError> {
        let mut hosts = self.fields.slots().iter().filter(|slot| slot.known == Known::Host);
        let host = hosts.next().map(|slot| slot.value);
        if hosts.next().is_some() {
            return Err(RequestError::RepeatedHost);
        }
        let in_target = self.parts.authority.map(|(at, authority)| (self.target.part(at.0, at.1), authority));
        let Some(host) = host else {
            return if self.version == Version::Http11 {
                Err(RequestError::MissingHost)
            } else {
                Ok(in_target)
            };
        };
        // Bytes that are no text stand there as what no host may have.
        let text = self.fields.text(host);
        let authority = Authority::parse(text).ok_or(RequestError::InvalidHost)?;
        if let Some((span, named)) = in_target {
            let same_name = named.name(self.fields.text(span)).eq_ignore_ascii_case(authority.name(text));
            if !same_name || !self.parts.same_port(named.port, authority.port) {
                return Err(RequestError::HostMismatch);
            }
        }
        Ok(Some((host, authority)))
    }

    /// `100-continue` or nothing (RFC 9110 section 10.1.1); an HTTP/1.0 client cannot expect it.
    fn checked_expectation(&self) -> Result<bool, RequestError> {
        if !self.fields.has(Known::Expect) || self.version == Version::Http10 {
            return Ok(false);
        }
        if self.fields.all(Known::Expect).all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
            return Ok(true);
        }
        Err(RequestError::UnknownExpectation)
    }

    /// The method token, at most 32 bytes; case-sensitive.
    pub fn method(&self) -> &str {
        self.fields.text(self.method)
    }

    /// The request target as received.
    pub fn target(&self) -> &str {
        self.fields.text(self.target)
    }

    /// Which of the four forms the target has (RFC 9112 section 3.2).
    pub fn form(&self) -> Form {
        self.parts.form
    }

    /// The path, still percent-encoded and not normalised (see [`crate::target`]): what comes before `?`.
    ///
    /// `/` if an absolute-form has none, `*` for the asterisk-form, empty for the authority-form of CONNECT.
    pub fn path(&self) -> &str {
        match self.parts.path {
            Some((at, len)) => self.fields.text(self.target.part(at, len)),
            None => self.parts.implied_path,
        }
    }

    /// What comes after the first `?` of the target, as received; empty if nothing does.
    pub fn query(&self) -> Option<&str> {
        self.parts.query.map(|(at, len)| self.fields.text(self.target.part(at, len)))
    }

    /// The version the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The `Host` as received, validated, with its port if it has one. Empty only if an HTTP/1.0 request names none.
    pub fn host(&self) -> &str {
        self.host.map(|(span, _)| self.fields.text(span)).unwrap_or_default()
    }

    /// The host without its port, in the case received; an IPv6 address keeps its brackets.
    pub fn host_name(&self) -> &str {
        self.host.map(|(span, authority)| authority.name(self.fields.text(span))).unwrap_or_default()
    }

    /// The port that the host names.
    pub fn host_port(&self) -> Option<u16> {
        self.host.and_then(|(_, authority)| authority.port)
    }

    /// All header fields in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter()
    }

    /// Writes the fields that travel on, hop by hop ones left out, as far as `keep` wants them; in order, each written anew.
    pub fn write_fields(&self, out: &mut Vec<u8>, keep: impl Fn(&Header<'_>) -> bool) {
        self.fields.write(out, |header| !self.is_hop_by_hop(header) && keep(header));
    }

    /// The first value under a name, compared without case.
    pub fn header(&self, lower_name: &str) -> Option<&[u8]> {
        self.fields.first(lower_name)
    }

    /// All values under a known name, in order; costs nothing if there is none.
    pub fn values(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.fields.all(known)
    }

    /// Whether a known name occurs.
    pub fn has(&self, known: Known) -> bool {
        self.fields.has(known)
    }

    /// Whether a field concerns this connection alone and must not be forwarded (RFC 9110 section 7.6.1).
    ///
    /// `Content-Length` is end-to-end, and yet the forwarder writes it anew from [`RequestHead::framing`]. An
    /// expectation over HTTP/1.0 means nothing (RFC 9110 section 10.1.1) and would mean something once it is sent on.
    pub fn is_hop_by_hop(&self, header: &Header<'_>) -> bool {
        header.hop_by_hop || (header.known == Known::Expect && self.version == Version::Http10)
    }

    /// How the content ends; never [`Framing::UntilClose`] (RFC 9112 section 6.3).
    pub fn framing(&self) -> Framing {
        match self.controls.content_length {
            _ if self.controls.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        }
    }

    /// Whether the client lets the connection live after this request (RFC 9112 section 9.3).
    pub fn keep_alive(&self) -> bool {
        self.controls.keep_alive(self.version)
    }

    /// Whether the client waits for `100 Continue` before it sends content.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue && !matches!(self.framing(), Framing::None | Framing::Length(0))
    }

    /// The protocols that the client offers to switch to; only if `Connection` names `upgrade`, over HTTP/1.1.
    pub fn upgrade(&self) -> Option<&str> {
        self.controls.upgrade(&self.fields)
    }
}

/// A head that has not ended within `window`: wait, unless a bound is reached.
fn unfinished(window: &[u8], is_full: bool, limits: &Limits) -> Result<Parsed, RequestError> {
    match (line::check(window, limits)?, is_full) {
        (_, false) => Ok(Parsed::Partial),
        (None, true) => Err(RequestError::TargetTooLong),
        (Some(len), true) => {
            let section = window.get(len..).unwrap_or_default();
            Err(diagnose::first_violation(section, limits.header_slots())
                .unwrap_or(FieldError::TooLarge)
                .into())
        }
    }
}

/// A head that the fast parser refused: say which rule it broke.
fn refused(
    window: &[u8],
    is_full: bool,
    error: httparse::Error,
    limits: &Limits,
) -> Result<Parsed, RequestError> {
    match line::check(window, limits)? {
        // Only the version can still be incomplete here, and what it is decides the answer.
        None if is_full => Err(RequestError::TargetTooLong),
        None => Ok(Parsed::Partial),
        Some(len) => {
            let section = window.get(len..).unwrap_or_default();
            let violation = diagnose::first_violation(section, limits.header_slots());
            Err(violation.unwrap_or_else(|| diagnose::translate(error)).into())
        }
    }
}

#[cfg(test)]
mod tests;
