//! What the control fields of a head say together: framing, persistence, upgrade, and what must not travel on.

use crate::field_error::FieldError;
use crate::fields::{Fields, Span};
use crate::known::Known;
use crate::message::Version;
use crate::syntax;

/// The most options that `Connection` may list: each is compared with each field name.
const MAX_CONNECTION_OPTIONS: usize = 32;

/// The fields that are read here.
const CONTROL_FIELDS: u64 = Known::ContentLength.bit()
    | Known::TransferEncoding.bit()
    | Known::Connection.bit()
    | Known::Upgrade.bit();

/// The meaning of the control fields of one head.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Controls {
    pub(crate) content_length: Option<u64>,
    pub(crate) chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade: Option<Span>,
}

/// What `Connection` listed.
#[derive(Default)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    /// Some option is a field name that is not known to be hop-by-hop anyway.
    names_fields: bool,
    count: usize,
}

impl Controls {
    /// Reads and checks the control fields, and marks in `fields` what `Connection` names.
    pub(crate) fn read(fields: &mut Fields, version: Version) -> Result<Self, FieldError> {
        let mut controls = Self::default();
        let mut options = Options::default();
        let mut upgrade = None;
        let mut transfer_encoding = false;
        let are_there = fields.has_any(CONTROL_FIELDS);
        for slot in fields.slots().iter().filter(|slot| are_there && slot.known.bit() & CONTROL_FIELDS != 0) {
            let value = fields.value(slot.value);
            match slot.known {
                Known::ContentLength if controls.content_length.is_some() => {
                    return Err(FieldError::RepeatedContentLength);
                }
                Known::ContentLength => controls.content_length = Some(content_length(value)?),
                Known::TransferEncoding if transfer_encoding => {
                    return Err(FieldError::InvalidTransferEncoding);
                }
                Known::TransferEncoding => {
                    only_chunked(value)?;
                    transfer_encoding = true;
                }
                Known::Connection => options.add(value)?,
                Known::Upgrade if upgrade.is_none() => upgrade = Some(Some(slot.value)),
                Known::Upgrade => upgrade = Some(None),
                _ => {}
            }
        }
        if transfer_encoding && controls.content_length.is_some() {
            return Err(FieldError::LengthAndTransferEncoding);
        }
        if transfer_encoding && version == Version::Http10 {
            return Err(FieldError::TransferEncodingInHttp10);
        }
        controls.chunked = transfer_encoding;
        controls.close = options.close;
        controls.keep_alive = options.keep_alive;
        if let Some(upgrade) = upgrade.filter(|_| options.upgrade && version == Version::Http11) {
            let span = upgrade.ok_or(FieldError::InvalidUpgrade)?;
            protocols(fields.value(span))?;
            controls.upgrade = Some(span);
        }
        if options.names_fields {
            fields.mark_hop_by_hop(connection_names);
        }
        Ok(controls)
    }

    /// Whether the connection may carry another message (RFC 9112 section 9.3). `close` wins over `keep-alive`.
    pub(crate) fn keep_alive(&self, version: Version) -> bool {
        !self.close && (version != Version::Http10 || self.keep_alive)
    }

    pub(crate) fn upgrade<'a>(&self, fields: &'a Fields) -> Option<&'a str> {
        self.upgrade.map(|span| fields.text(span))
    }
}

impl Options {
    fn add(&mut self, value: &[u8]) -> Result<(), FieldError> {
        for option in syntax::list(value) {
            self.count += 1;
            if self.count > MAX_CONNECTION_OPTIONS || !syntax::is_token(option) {
                return Err(FieldError::InvalidConnection);
            }
            let known = Known::of(option);
            if known.is_end_to_end() {
                return Err(FieldError::ConnectionNamesEndToEnd(known));
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if known == Known::KeepAlive {
                self.keep_alive = true;
            } else if known == Known::Upgrade {
                self.upgrade = true;
            } else if !known.is_hop_by_hop() {
                self.names_fields = true;
            }
        }
        Ok(())
    }
}

fn connection_names(fields: &Fields, name: &str) -> bool {
    fields
        .all(Known::Connection)
        .flat_map(syntax::list)
        .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
}

/// `1*DIGIT` up to 2^63 - 1, since peers commonly keep lengths in signed numbers.
fn content_length(value: &[u8]) -> Result<u64, FieldError> {
    let add_digit = |length: i64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    };
    let length = value.iter().try_fold(0, add_digit).filter(|_| !value.is_empty());
    length.and_then(|length| u64::try_from(length).ok()).ok_or(FieldError::InvalidContentLength)
}

/// Accepts `chunked` alone. Tells a coding that we lack (501) from a list that frames nothing (400).
fn only_chunked(value: &[u8]) -> Result<(), FieldError> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(());
    }
    let codings = || syntax::list(value);
    let ends_in_one =
        codings().last().is_some_and(is_chunked) && codings().filter(|c| is_chunked(c)).count() == 1;
    if ends_in_one && codings().count() > 1 {
        return Err(FieldError::UnsupportedTransferCoding);
    }
    Err(FieldError::InvalidTransferEncoding)
}

/// `1#( token [ "/" token ] )` (RFC 9110 section 7.8).
fn protocols(value: &[u8]) -> Result<(), FieldError> {
    let is_protocol = |element: &[u8]| {
        let mut parts = element.splitn(2, |&byte| byte == b'/');
        parts.all(syntax::is_token)
    };
    let mut elements = syntax::list(value).peekable();
    if elements.peek().is_none() || !elements.all(is_protocol) {
        return Err(FieldError::InvalidUpgrade);
    }
    Ok(())
}
