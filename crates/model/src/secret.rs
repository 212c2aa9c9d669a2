//! Secrets as values: what may be used and never shown.

use std::fmt;

/// A symmetric key. Neither `Debug` nor anything else shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretKey(pub [u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}
