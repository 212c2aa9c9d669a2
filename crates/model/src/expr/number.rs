//! Lua's `tonumber` for the texts that requests carry.

/// The number that a text stands for: decimal with fraction and exponent, or a hexadecimal integer, each with an
/// optional sign and surrounding white space. LuaJIT also reads `inf` and `nan`; nobody means those by a header.
pub(super) fn to_number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => hexadecimal(hex)?,
        None if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => digits.parse().ok()?,
        None => return None,
    };
    Some(if negative { -number } else { number })
}

#[allow(clippy::cast_precision_loss, reason = "a Lua number is a double, too")]
fn hexadecimal(digits: &str) -> Option<f64> {
    let valid = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if valid { u64::from_str_radix(digits, 16).ok().map(|number| number as f64) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_lua_reads_them() {
        for (text, number) in [
            ("18", 18.0),
            (" 1.5\t", 1.5),
            ("-2", -2.0),
            ("+3", 3.0),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("0x10", 16.0),
        ] {
            assert_eq!(to_number(text), Some(number), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in ["", " ", "abc", "1a", "inf", "nan", "--1", "+-1", "0x", "0x+1", ".", "1,5", "１"] {
            assert_eq!(to_number(text), None, "{text}");
        }
    }
}
