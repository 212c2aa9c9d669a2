//! Which bytes may stand where (RFC 9110 section 5.6, RFC 3986), as table look-ups and list splitting.

const TOKEN: u8 = 1;
const PATH: u8 = 2;
const LOWER_TOKEN: u8 = 4;
const HOST: u8 = 8;

/// One bit for each class a byte belongs to.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        if c.is_ascii_alphanumeric() || in_set(c, b"!#$%&'*+-.^_`|~") {
            table[byte] |= TOKEN;
            if !c.is_ascii_uppercase() {
                table[byte] |= LOWER_TOKEN;
            }
        }
        if c.is_ascii_alphanumeric() || in_set(c, b"-._~!$&'()*+,;=:@/") {
            table[byte] |= PATH;
        }
        if c.is_ascii_alphanumeric() || in_set(c, b"-._~") {
            table[byte] |= HOST;
        }
        byte += 1;
    }
    table
};

const fn in_set(byte: u8, set: &[u8]) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// `tchar` (RFC 9110 section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    class(byte) & TOKEN != 0
}

/// `token`: one or more `tchar`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    // All of them are looked at, whatever is found: nothing has to be guessed.
    !bytes.is_empty() && bytes.iter().fold(true, |so_far, &byte| so_far & is_token_byte(byte))
}

/// A field name as HTTP/2 has it: a `token` without upper case (RFC 9113 section 8.2.1).
pub(crate) fn is_lower_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| class(byte) & LOWER_TOKEN != 0)
}

/// `pchar` without percent-encoding, or `/` (RFC 3986 section 3.3): what may stand in a path as it is.
pub(crate) fn is_path_byte(byte: u8) -> bool {
    class(byte) & PATH != 0
}

/// Letters, digits, `-`, `.`, `_` and `~`: what names of hosts are made of.
pub(crate) fn is_host_byte(byte: u8) -> bool {
    class(byte) & HOST != 0
}

/// What stands in a target that needs no second look: the characters of paths and queries, percent-encoding.
pub(crate) fn is_plain_target_byte(byte: u8) -> bool {
    is_path_byte(byte) || matches!(byte, b'?' | b'%')
}

/// HTAB, SP, VCHAR and obs-text: what may stand in a field value (RFC 9110 section 5.5).
pub(crate) fn is_value_byte(byte: u8) -> bool {
    (byte == b'\t') | (byte >= b' ') & (byte != 0x7f)
}

/// A field value with nothing but allowed bytes and no white space around it.
pub(crate) fn is_field_value(value: &[u8]) -> bool {
    // All of them are looked at, whatever is found: so many are at a time.
    let is_allowed = value.iter().fold(true, |so_far, &byte| so_far & is_value_byte(byte));
    is_allowed && !value.first().is_some_and(is_space) && !value.last().is_some_and(is_space)
}

/// What may stand in a request target: visible ASCII but for the fragment sign.
pub(crate) fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without optional white space (SP and HTAB) around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_space(first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_space(last)
    {
        value = rest;
    }
    value
}

/// The elements of a comma-separated list, empty ones skipped (RFC 9110 section 5.6.1.2).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Whether a field name starts with `prefix`, whatever its case.
pub(crate) fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether a name is this one of letters and dashes, given in lower case, whatever its own case.
pub(crate) fn is_name(name: &[u8], lower: &[u8]) -> bool {
    const CASE: u64 = u64::from_le_bytes([0x20; 8]);
    // Letters alone have the bit above that of case: a dash is to be a dash.
    let same = |name: u64, lower: u64| name | (lower >> 1 & CASE) == lower;
    let same_eight =
        |(name, lower): (&[u8; 8], &[u8; 8])| same(u64::from_le_bytes(*name), u64::from_le_bytes(*lower));
    let same_four = |(name, lower): (&[u8; 4], &[u8; 4])| {
        same(u32::from_le_bytes(*name).into(), u32::from_le_bytes(*lower).into())
    };
    if name.len() != lower.len() {
        return false;
    }
    // The end is compared as a whole, together with what was compared before.
    if let Some(ends) = name.last_chunk().zip(lower.last_chunk()) {
        return same_eight(ends) && name.as_chunks().0.iter().zip(lower.as_chunks().0).all(same_eight);
    }
    match (name.first_chunk().zip(lower.first_chunk()), name.last_chunk().zip(lower.last_chunk())) {
        (Some(starts), Some(ends)) => same_four(starts) && same_four(ends),
        _ => name.eq_ignore_ascii_case(lower),
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_compared_without_case_and_nothing_else(
            lower in "[a-z-]{1,24}", upper in any::<u32>(), change in prop::option::of((any::<prop::sample::Index>(), any::<u8>()))
        ) {
            let mut name = lower.clone().into_bytes();
            let chosen = name.iter_mut().enumerate().filter(|(at, _)| upper >> at & 1 == 1);
            chosen.for_each(|(_, byte)| byte.make_ascii_uppercase());
            if let Some((at, byte)) = change {
                let at = at.index(name.len());
                name[at] = byte;
            }
            prop_assert_eq!(is_name(&name, lower.as_bytes()), name.eq_ignore_ascii_case(lower.as_bytes()));
        }
    }
}
