//! Secrets in query strings: whose value the access log must not show.
//!
//! A name is compared in the form that applications see: percent-decoded, in lower case, letters and digits only
//! (so `API-Key`, `api%5Fkey` and `apikey` are one). Masking too much costs a log reader a look; masking too little
//! costs a secret.

/// What is written in place of a secret value.
pub const MASK: &str = "***";

/// Names that are secret as a whole.
const SECRET_NAMES: [&[u8]; 14] = [
    b"key", b"code", b"sig", b"auth", b"pass", b"pwd", b"pin", b"otp", b"jwt", b"sid", b"session", b"nonce",
    b"ticket", b"hmac",
];

/// Endings of names that are secret: `access_token`, `client_secret`, `X-Amz-Signature`, `aws_access_key`.
const SECRET_ENDINGS: [&[u8]; 14] = [
    b"token",
    b"secret",
    b"password",
    b"passwd",
    b"passphrase",
    b"authorization",
    b"apikey",
    b"accesskey",
    b"privatekey",
    b"secretkey",
    b"signature",
    b"credential",
    b"credentials",
    b"sessionid",
];

/// Longest name that is looked at, in letters and digits; what is longer is taken for a secret.
const MAX_NAME_BYTES: usize = 64;

/// Whether the value of a query parameter with this (raw) name must be masked.
pub(crate) fn is_secret(raw_name: &str) -> bool {
    let mut name = [0_u8; MAX_NAME_BYTES];
    let mut length = 0;
    for byte in decoded(raw_name.as_bytes()).filter(u8::is_ascii_alphanumeric) {
        let Some(place) = name.get_mut(length) else { return true };
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    let name = name.get(..length).unwrap_or_default();
    SECRET_NAMES.contains(&name) || SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A query with the values of secret parameters masked.
pub(crate) fn masked(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for (number, pair) in query.split('&').enumerate() {
        if number > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.push_str(name);
                out.push('=');
                out.push_str(MASK);
            }
            _ => out.push_str(pair),
        }
    }
    out
}

/// The bytes with `%XX` resolved; a percent sign that begins no escape stands for itself.
fn decoded(raw: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = raw;
    std::iter::from_fn(move || match rest {
        [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            rest = after;
            Some(nibble(*high) << 4 | nibble(*low))
        }
        [byte, after @ ..] => {
            rest = after;
            Some(*byte)
        }
        [] => None,
    })
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn names_of_secrets_are_known_however_they_are_written() {
        for name in [
            "token",
            "TOKEN",
            "access_token",
            "id-token",
            "key",
            "api_key",
            "API-Key",
            "apikey",
            "password",
            "client_secret",
            "X-Amz-Signature",
            "sig",
            "code",
            "authorization",
            "api%5Fkey",
            "%74oken",
            "pass%77ord",
            "user[password]",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_shown() {
        for name in
            ["q", "page", "keyword", "monkey", "encode", "tokens_used", "design", "", "%", "%zz", "%7"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn an_endless_name_is_taken_for_a_secret() {
        assert!(is_secret(&"a".repeat(1_000)));
    }
}
