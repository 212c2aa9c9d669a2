//! AES-256-GCM with a synthetic nonce: the first bytes of an HMAC over the text (the construction of RFC 8452's
//! idea, with HMAC in the place of POLYVAL). Two texts that differ meet in one nonce only after some 2^48 of them.

use super::KEY_BYTES;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// One key, ready for use.
pub(super) struct Sealer {
    cipher: LessSafeKey,
    nonces: hmac::Key,
}

impl Sealer {
    pub(super) fn new(cipher: &[u8; KEY_BYTES], nonces: &[u8; KEY_BYTES]) -> Sealer {
        #[allow(clippy::expect_used, reason = "the length is the algorithm's, by type")]
        let cipher = UnboundKey::new(&AES_256_GCM, cipher).expect("AES-256 takes 32 bytes");
        Sealer { cipher: LessSafeKey::new(cipher), nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces) }
    }

    /// Base64 of nonce, ciphertext and tag. `header` is not in it, but must be the same when it is opened.
    pub(super) fn seal(&self, header: &[u8], plaintext: &[u8]) -> String {
        let nonce = self.nonce(header, plaintext);
        let mut text = plaintext.to_vec();
        let tag = self.cipher.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header),
            &mut text,
        );
        #[allow(clippy::expect_used, reason = "fails for texts beyond 64 GiB only")]
        let tag = tag.expect("the text is not larger than the cipher can take");
        STANDARD_NO_PAD.encode([&nonce[..], &text, tag.as_ref()].concat())
    }

    /// The plaintext; `None` if it was sealed otherwise.
    pub(super) fn open(&self, header: &[u8], sealed: &str) -> Option<String> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plaintext = self.cipher.open_in_place(nonce, Aad::from(header), &mut text).ok()?;
        String::from_utf8(plaintext.to_vec()).ok()
    }

    fn nonce(&self, header: &[u8], plaintext: &[u8]) -> [u8; NONCE_LEN] {
        let mut context = hmac::Context::with_key(&self.nonces);
        // With its length, so that no two pairs of header and text read the same.
        context.update(&(header.len() as u64).to_be_bytes());
        context.update(header);
        context.update(plaintext);
        let tag = context.sign();
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        nonce
    }
}
