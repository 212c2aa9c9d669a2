//! The cookie that carries a user's point: 8 bytes of it and 16 of a keyed hash over it, in base64url.
//!
//! The hash (HMAC-SHA-256, cut to 128 bits as RFC 2104, section 5, allows) is keyed by the release's salt, so a cookie
//! of another release, of another gate, or one that was changed, is none: a new one is issued. Nobody can choose a
//! colour by writing a cookie; who throws cookies away until the colour fits gets what anyone gets who does that.

use super::{Assignment, Issued};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const POINT_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const BYTES: usize = POINT_BYTES + TAG_BYTES;
/// Its length as text.
const TEXT_BYTES: usize = BYTES / 3 * 4;

impl Assignment {
    /// The point that a cookie's value carries; `None`: it is none of ours.
    pub(super) fn point_in(&self, value: &str) -> Option<u64> {
        let mut bytes = [0; BYTES];
        if value.len() != TEXT_BYTES || URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()? != BYTES {
            return None;
        }
        let (point, tag) = bytes.split_first_chunk()?;
        verify_slices_are_equal(tag, &self.tag_of(point)).ok()?;
        Some(u64::from_be_bytes(*point))
    }

    fn tag_of(&self, point: &[u8; POINT_BYTES]) -> [u8; TAG_BYTES] {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(b"cookie\0");
        mac.update(self.name.as_bytes());
        mac.update(b"\0");
        mac.update(point);
        mac.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl Issued<'_> {
    /// Writes the value of `Set-Cookie` (RFC 6265, section 4.1).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let assignment = self.assignment;
        let point = self.point.to_be_bytes();
        let mut bytes = [0; BYTES];
        let (of_point, of_tag) = bytes.split_at_mut(POINT_BYTES);
        of_point.copy_from_slice(&point);
        of_tag.copy_from_slice(&assignment.tag_of(&point));
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let (name, age, secure) = (&assignment.name, assignment.max_age_s, self.secure);
        let secure = if secure { "; Secure" } else { "" };
        out.extend_from_slice(
            format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}").as_bytes(),
        );
    }
}
