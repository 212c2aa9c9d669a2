//! Values and texts as Lua sees them: api7/jsonschema runs there, and its answers show it.

use serde_json::Value;

/// What `type(v)` says of a decoded JSON value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "userdata",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

/// Whether a value is the empty table: `[]` and `{}` are the same.
pub(super) fn is_empty_table(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// `string.format("%q", text)`.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' | '\n' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\r' => quoted.push_str("\\r"),
            '\0' => quoted.push_str("\\000"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// `tostring(number)`: C's `%.14g`.
pub(super) fn number(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e14 {
        return format!("{number:.0}");
    }
    let scientific = format!("{number:.13e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or(0);
        return trim_zeros(&format!("{number:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(digits), exponent.unsigned_abs())
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A text that two values share exactly when Lua's deep comparison finds them equal: keys in order, numbers as
/// doubles, one empty table.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(list) if list.is_empty() => "{}".to_owned(),
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut members: Vec<_> =
                map.iter().map(|(key, item)| format!("{key:?}:{}", canonical(item))).collect();
            members.sort_unstable();
            format!("{{{}}}", members.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_as_lua_writes_them() {
        for (value, text) in [
            (1.0, "1"),
            (-100.0, "-100"),
            (0.1, "0.1"),
            (1.5, "1.5"),
            (65536.0, "65536"),
            (1e15, "1e+15"),
            (1.25e-7, "1.25e-07"),
            (0.0001, "0.0001"),
            (123.456, "123.456"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn quoting_escapes_quotes_and_backslashes() {
        assert_eq!(quote("^\\S+$"), "\"^\\\\S+$\"");
        assert_eq!(quote("a\"b\nc"), "\"a\\\"b\\\nc\"");
    }

    #[test]
    fn equal_values_share_their_canonical_text() {
        assert_eq!(canonical(&json!({"a": 1, "b": []})), canonical(&json!({"b": {}, "a": 1.0})));
        assert_ne!(canonical(&json!(["1"])), canonical(&json!([1])));
        assert_ne!(canonical(&json!("null")), canonical(&json!(null)));
    }
}
