//! A response head from what HTTP/2 says of it: a status and fields, already apart.

use super::ResponseHead;
use super::error::ResponseError;
use crate::controls::Controls;
use crate::limits::Limits;
use crate::message::Version;
use crate::write;

impl ResponseHead {
    /// Takes over the head of an HTTP/2 response (RFC 9113 section 8.3.2), held to the same rules as one that was
    /// parsed. It reads as HTTP/1.1 whose content ends with the stream, unless a length is announced.
    ///
    /// Names are lower case, without the pseudo-header fields.
    ///
    /// # Errors
    /// A rule that the head breaks: the answer cannot be trusted.
    pub fn assemble<'a>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        limits: &Limits,
    ) -> Result<(), ResponseError> {
        self.fields.begin();
        // HTTP/2 has no 101 (section 8.6), and nothing above 599 is a status (RFC 9110 section 15).
        if !matches!(status, 100 | 102..=599) {
            return Err(ResponseError::InvalidStatus);
        }
        self.status = status;
        self.version = Version::Http11;
        self.reason = self.fields.add(write::reason(status).as_bytes());
        self.fields.add_all(fields, limits)?;
        self.fields.seal();
        self.controls = Controls::read(&mut self.fields, self.version)?;
        if matches!(status, 100..=199 | 204) && self.controls.content_length.unwrap_or(0) > 0 {
            return Err(ResponseError::ContentNotAllowed);
        }
        Ok(())
    }
}
