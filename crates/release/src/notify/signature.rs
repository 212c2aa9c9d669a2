//! Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Before a key that is written in base64.
const BASE64_PREFIX: &str = "whsec_";

/// What the header `webhook-signature` says. `at_s` is seconds since the Unix epoch, as in `webhook-timestamp`.
///
/// A secret that begins with `whsec_` is base64 behind that; any other one is taken as it is.
///
/// # Errors
/// When the secret is empty, or no base64 where it should be.
pub fn signature(secret: &str, id: &str, at_s: i64, body: &[u8]) -> Result<String, &'static str> {
    let key = match secret.strip_prefix(BASE64_PREFIX) {
        Some(text) => STANDARD.decode(text).map_err(|_| "the secret behind whsec_ is no base64")?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err("the secret is empty");
    }
    let mut signed = format!("{id}.{at_s}.").into_bytes();
    signed.extend_from_slice(body);
    let tag = sign(&Key::new(HMAC_SHA256, &key), &signed);
    Ok(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `openssl dgst -sha256 -hmac`.
    #[test]
    fn it_is_what_others_compute() {
        let signed = signature("key", "shop-1/2/0", 1_700_000_000, b"{\"a\":1}").unwrap();
        assert_eq!(signed, "v1,xoF/1Ij/ZCGM783KKGLr1S0Rfs2/UprNQMtb2Y3zRFA=");
        assert_eq!(signature("whsec_a2V5", "shop-1/2/0", 1_700_000_000, b"{\"a\":1}").unwrap(), signed);
        assert_ne!(signature("key", "shop-1/2/0", 1_700_000_001, b"{\"a\":1}").unwrap(), signed);
    }

    #[test]
    fn a_secret_that_is_none_is_refused() {
        assert!(signature("", "i", 0, b"").is_err());
        assert!(signature("whsec_", "i", 0, b"").is_err());
        assert!(signature("whsec_$", "i", 0, b"").is_err());
    }
}
