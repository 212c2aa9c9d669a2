//! Where in a JSON body something stands, as it is told: elements of arrays and keys that are data are all the same.

use model::traffic_split::{JsonStep, write_step};

/// Longest key that is told.
const MAX_KEY_BYTES: usize = 48;
/// Longest place that is told, bytes; what is deeper is told as if it stood there.
const MAX_PLACE_BYTES: usize = 256;
/// As long as this, a key of nothing but hexadecimal digits and dashes with a digit among them is an id.
const MIN_ID_BYTES: usize = 8;

/// The steps to what is looked at.
#[derive(Debug, Default)]
pub(super) struct Place<'v>(Vec<JsonStep<'v>>);

impl<'v> Place<'v> {
    pub(super) fn push(&mut self, step: JsonStep<'v>) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn steps(&self) -> &[JsonStep<'v>] {
        &self.0
    }

    /// As it is told.
    pub(super) fn text(&self) -> String {
        let mut text = "$".to_owned();
        for step in &self.0 {
            match step {
                JsonStep::Key(key) if is_data(key) => text.push_str(".*"),
                step => write_step(&mut text, *step),
            }
            if text.len() > MAX_PLACE_BYTES {
                text.push('…');
                break;
            }
        }
        text
    }
}

/// Whether a key is a value and not a name: a number, an id, an address.
fn is_data(key: &str) -> bool {
    let has_digit = key.bytes().any(|byte| byte.is_ascii_digit());
    let is_id = key.len() >= MIN_ID_BYTES && key.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_number = key.bytes().all(|byte| byte.is_ascii_digit());
    key.len() > MAX_KEY_BYTES || key.contains('@') || has_digit && (is_id || is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_data_are_not_told() {
        let place = |key: &'static str| {
            let mut place = Place::default();
            place.push(JsonStep::Key(key));
            place.text()
        };
        for data in ["17", "anna@example.com", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "deadbeef01"] {
            assert_eq!(place(data), "$.*", "{data}");
        }
        assert_eq!(place("facade"), "$.facade");
        assert_eq!(place("line2"), "$.line2");
        assert_eq!(place("a b"), r#"$["a b"]"#);
    }
}
