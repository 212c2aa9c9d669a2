//! Places in JSON bodies, written as people read them: `$.items[*].price`. A shadow names those that it ignores so, and
//! tells where answers differ so; what it tells can be pasted into what it ignores.

use std::fmt::Write as _;

/// Deepest place that can be named.
const MAX_STEPS: usize = 32;
/// Longest text of one, bytes.
const MAX_BYTES: usize = 512;

/// A place, or many: a pattern of steps from the whole body (`$`) downwards.
///
/// `.name` is the value of a key, `["any name"]` of one that is not made of letters, digits, `_` and `-` alone; `[*]` and
/// `.*` are any element of an array and any value of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    steps: Vec<PathStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathStep {
    Key(String),
    Any,
}

/// One step to where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonStep<'a> {
    /// To the value of this key.
    Key(&'a str),
    /// To an element of an array.
    Element,
}

impl JsonPath {
    /// Reads a place.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<JsonPath, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("must have at most {MAX_BYTES} bytes"));
        }
        let mut rest = text.strip_prefix('$').ok_or("must begin with $")?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, left) = step(rest).ok_or_else(|| format!("cannot be read from `{rest}` on"))?;
            if steps.len() == MAX_STEPS {
                return Err(format!("must have at most {MAX_STEPS} steps"));
            }
            steps.push(step);
            rest = left;
        }
        Ok(JsonPath { steps })
    }

    /// Whether what stands at the end of these steps is named by it.
    #[must_use]
    pub fn names(&self, place: &[JsonStep<'_>]) -> bool {
        let names = |(step, place): (&PathStep, &JsonStep<'_>)| match (step, place) {
            (PathStep::Any, _) => true,
            (PathStep::Key(key), JsonStep::Key(other)) => key == other,
            (PathStep::Key(_), JsonStep::Element) => false,
        };
        self.steps.len() == place.len() && self.steps.iter().zip(place).all(names)
    }
}

/// The first step of a text, and what follows it.
fn step(text: &str) -> Option<(PathStep, &str)> {
    if let Some(rest) = text.strip_prefix("[*]").or_else(|| text.strip_prefix(".*")) {
        return Some((PathStep::Any, rest));
    }
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.bytes().position(|byte| !is_plain(byte)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        return (!name.is_empty()).then(|| (PathStep::Key(name.to_owned()), rest));
    }
    let quoted = text.strip_prefix('[')?;
    let mut read = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
    let name = read.next()?.ok()?;
    let rest = quoted.get(read.byte_offset()..)?.strip_prefix(']')?;
    Some((PathStep::Key(name), rest))
}

/// Adds a step to the text of a place.
pub fn write_step(text: &mut String, step: JsonStep<'_>) {
    match step {
        JsonStep::Element => text.push_str("[*]"),
        JsonStep::Key(key) if !key.is_empty() && key.bytes().all(is_plain) => {
            text.push('.');
            text.push_str(key);
        }
        // Writing to a string cannot fail.
        JsonStep::Key(key) => drop(write!(text, "[{}]", serde_json::Value::from(key))),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(path: &str, place: &[JsonStep<'_>]) -> bool {
        JsonPath::parse(path).unwrap().names(place)
    }

    #[test]
    fn a_star_stands_for_any_one_step() {
        use JsonStep::{Element, Key};
        assert!(names("$", &[]));
        assert!(names("$.a.*.b", &[Key("a"), Element, Key("b")]));
        assert!(names("$.a[*].b", &[Key("a"), Key("x"), Key("b")]));
        assert!(names(r#"$["a.b"][*]"#, &[Key("a.b"), Element]));
        assert!(!names("$.a.*.b", &[Key("a"), Key("b")]));
        assert!(!names("$.a", &[Element]));
        assert!(!names("$.a", &[Key("a"), Key("b")]));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let deep = format!("${}", ".a".repeat(MAX_STEPS + 1));
        for wrong in ["", "a", ".a", "$a", "$.", "$..a", "$[", "$[1]", "$['a']", r#"$["a""#, "$.a b", &deep] {
            assert!(JsonPath::parse(wrong).is_err(), "{wrong}");
        }
        assert!(JsonPath::parse(&format!("$.{}", "a".repeat(MAX_BYTES))).is_err());
    }

    proptest! {
        #[test]
        fn a_place_that_was_written_names_itself(keys in prop::collection::vec(prop::option::of(".{0,8}"), 0..8)) {
            let steps: Vec<_> = keys.iter().map(|key| key.as_deref().map_or(JsonStep::Element, JsonStep::Key)).collect();
            let mut text = "$".to_owned();
            steps.iter().for_each(|step| write_step(&mut text, *step));
            prop_assert!(names(&text, &steps), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = JsonPath::parse(&format!("${text}"));
        }
    }
}
