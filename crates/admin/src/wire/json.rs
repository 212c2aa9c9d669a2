//! JSON as the Admin API accepts it, and what it says of JSON that it does not accept.
//!
//! Accepted beyond RFC 8259, as by APISIX: raw control characters (newlines, tabs) inside strings. Of a repeated key
//! the last value counts. Not accepted, unlike lua-cjson: `NaN`, `Infinity`, hexadecimal numbers, bytes that are not
//! UTF-8, and nesting deeper than 128 levels. Error texts have the forms of lua-cjson.

use serde_json::Value;
use std::fmt::Write as _;

/// Reads a body.
///
/// # Errors
/// The text of the error, in lua-cjson's form: `Expected value but found invalid token at character 1`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err("Expected value but found bytes that are not UTF-8".to_owned());
    };
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(strict) => {
            let escaped = escape_raw_controls(text);
            if escaped.at.is_empty() {
                return Err(describe(&strict, text));
            }
            serde_json::from_str(&escaped.text).map_err(|error| {
                // The place is named as the sender sees it.
                describe_at(&error, text, escaped.original(offset(&error, &escaped.text)))
            })
        }
    }
}

struct Escaped {
    text: String,
    /// Where an escape begins in `text`, ascending.
    at: Vec<usize>,
}

/// Characters that an escape `\u00XX` has more than the character it stands for.
const ESCAPE_GROWTH: usize = 5;

impl Escaped {
    /// The offset in the original text of an offset in the escaped one.
    fn original(&self, offset: usize) -> usize {
        let before = self.at.iter().filter(|start| **start < offset).count();
        offset.saturating_sub(before * ESCAPE_GROWTH)
    }
}

fn escape_raw_controls(text: &str) -> Escaped {
    let mut escaped = Escaped { text: String::with_capacity(text.len() + 16), at: Vec::new() };
    let (mut in_string, mut after_backslash) = (false, false);
    for character in text.chars() {
        if in_string && character.is_ascii_control() && character != '\u{7f}' {
            escaped.at.push(escaped.text.len());
            // Writing into a String cannot fail.
            let _ = write!(escaped.text, "\\u{:04x}", u32::from(character));
        } else {
            escaped.text.push(character);
        }
        in_string ^= character == '"' && !after_backslash;
        after_backslash = in_string && character == '\\' && !after_backslash;
    }
    escaped
}

/// The byte offset of an error; lines and columns of serde_json count from 1, columns in bytes.
fn offset(error: &serde_json::Error, text: &str) -> usize {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start: usize = lines_before.map(str::len).sum();
    start + error.column().saturating_sub(1)
}

fn describe(error: &serde_json::Error, text: &str) -> String {
    describe_at(error, text, offset(error, text))
}

fn describe_at(error: &serde_json::Error, text: &str, offset: usize) -> String {
    let at_end = error.is_eof();
    let position = if at_end { text.len() + 1 } else { offset + 1 };
    let found = if at_end { "T_END" } else { token(text.as_bytes().get(offset).copied()) };
    let reason = error.to_string();
    let expected = match reason.split(" at line ").next().unwrap_or_default() {
        "expected `:`" => "colon",
        "expected `,` or `}`" | "EOF while parsing an object" => "comma or object end",
        "expected `,` or `]`" | "EOF while parsing a list" => "comma or array end",
        "key must be a string" | "trailing comma" => "object key string",
        "trailing characters" => "the end",
        "recursion limit exceeded" => {
            return format!("Found too many nested data structures (128) at character {position}");
        }
        _ => "value",
    };
    format!("Expected {expected} but found {found} at character {position}")
}

fn token(byte: Option<u8>) -> &'static str {
    match byte {
        None => "T_END",
        Some(b'{') => "T_OBJ_BEGIN",
        Some(b'}') => "T_OBJ_END",
        Some(b'[') => "T_ARR_BEGIN",
        Some(b']') => "T_ARR_END",
        Some(b'"') => "T_STRING",
        Some(b'0'..=b'9' | b'-') => "T_NUMBER",
        Some(b':') => "T_COLON",
        Some(b',') => "T_COMMA",
        Some(_) => "invalid token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn raw_newlines_and_tabs_inside_strings_are_accepted() {
        assert_eq!(
            parse(b"{\"a\": \"x\ny\tz\", \"b\\\"\n\": 1}").unwrap(),
            json!({"a": "x\ny\tz", "b\"\n": 1})
        );
        assert_eq!(parse(b"{\n\t\"a\": \"\\\\\"\n}").unwrap(), json!({"a": "\\"}));
    }

    #[test]
    fn errors_have_the_forms_of_cjson() {
        for (text, expected) in [
            ("abc", "Expected value but found invalid token at character 1"),
            ("", "Expected value but found T_END at character 1"),
            ("{a: 1}", "Expected object key string but found invalid token at character 2"),
            ("{\"a\" 1}", "Expected colon but found T_NUMBER at character 6"),
            ("{\"a\": 1 \"b\": 2}", "Expected comma or object end but found T_STRING at character 9"),
            ("[1 2]", "Expected comma or array end but found T_NUMBER at character 4"),
            ("{} x", "Expected the end but found invalid token at character 4"),
            ("{\"a\": ]", "Expected value but found T_ARR_END at character 7"),
            ("{\"a\": 1", "Expected comma or object end but found T_END at character 8"),
            (
                "{\n\"a\": \"x\ny\",\n b}",
                "Expected object key string but found invalid token at character 16",
            ),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
        assert!(parse(b"\xff").unwrap_err().contains("UTF-8"));
        assert!(parse("[".repeat(10_000).as_bytes()).unwrap_err().contains("too many nested"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn json_with_raw_control_characters_reads_as_with_escaped_ones(text in "[a-z\n\t\r\"\\\\]{0,40}") {
            let strict = serde_json::to_string(&json!({"k": text, "l": [1, text]})).unwrap();
            let lenient = strict.replace("\\n", "\n").replace("\\t", "\t");
            // Replacing inside `\\n` (an escaped backslash and an n) changes the meaning; leave such texts out.
            prop_assume!(!strict.contains("\\\\n") && !strict.contains("\\\\t"));
            prop_assert_eq!(parse(lenient.as_bytes()).unwrap(), json!({"k": text, "l": [1, text]}));
        }
    }
}
