//! An error of one field, and reading our own formats so that an error names its field.

mod stand_in;
mod wording;

pub use wording::Wording;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{text}", place(pointer))]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901); empty: the whole value.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub text: String,
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!("{pointer}: ") }
}

/// Reads a value of one of our own formats. Unlike the gateway's resources these refuse unknown fields by type.
///
/// # Errors
/// The first field that does not fit; an unknown field is named together with the known ones.
pub fn parse<T: DeserializeOwned + JsonSchema>(value: Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => push_segment(&mut pointer, &index.to_string()),
                Segment::Map { key } => push_segment(&mut pointer, key),
                Segment::Enum { variant } => push_segment(&mut pointer, variant),
                Segment::Unknown => {}
            }
        }
        let wording = Wording::of(schemars::schema_for!(T).to_value());
        let text = wording.plain(&pointer, &error.into_inner().to_string());
        FieldError { pointer, text }
    })
}

/// Appends one segment to a JSON pointer, escaped (RFC 6901 §3).
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use serde_json::json;

    fn app(target: Value, release: Value) -> Result<App, FieldError> {
        parse(json!({"id": "shop", "service_id": "shop", "target": target, "release": release}))
    }

    #[test]
    fn an_error_names_its_field() {
        let error = app(json!({"process": {"command": ["x", 3]}}), json!({})).unwrap_err();
        assert_eq!(error.pointer, "/target/process/command/1");
        assert_eq!(error.text, "must be a text, not the number 3");
    }

    #[test]
    fn an_unknown_field_is_named_with_the_known_ones() {
        let error =
            app(json!({"process": {"command": ["x"]}}), json!({"soak": {"duration": 3}})).unwrap_err();
        assert_eq!(error.pointer, "/release/soak/duration");
        assert_eq!(
            error.text,
            "unknown field `duration`, expected one of `duration_ms`, `interval_ms`, `hold_back`"
        );
    }

    #[test]
    fn a_missing_field_is_told_of_its_owner() {
        let error = app(json!({"process": {}}), json!({})).unwrap_err();
        assert_eq!(
            (error.pointer.as_str(), error.text.as_str()),
            ("/target/process", "missing field `command`")
        );
        assert_eq!(error.to_string(), "/target/process: missing field `command`");
    }

    #[test]
    fn a_wrong_step_tells_what_a_step_is() {
        let error = app(json!({"process": {"command": ["x"]}}), json!({"steps": ["half"]})).unwrap_err();
        assert_eq!(error.pointer, "/release/steps/0");
        assert!(error.text.contains("share"), "{}", error.text);
    }

    #[test]
    fn the_value_of_a_variable_is_not_shown() {
        let error =
            app(json!({"process": {"command": ["x"], "env": {"KEY": ["hush"]}}}), json!({})).unwrap_err();
        assert_eq!(error.pointer, "/target/process/env/KEY");
        assert!(!error.text.contains("hush") && error.text.contains("from_file"), "{}", error.text);
    }

    #[test]
    fn slashes_in_keys_are_escaped() {
        let mut pointer = String::new();
        push_segment(&mut pointer, "a/b~c");
        assert_eq!(pointer, "/a~1b~0c");
    }
}
