//! What the gateway asks of each answer besides its status: whether the business is content, and which version it is from.

use super::{JsonPointer, Reaction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most checks of one policy: each has counters of its own in every series.
pub const MAX_ANSWER_CHECKS: usize = 4;

/// Longest value that is compared, bytes.
pub const MAX_VALUE_BYTES: usize = 256;
/// Most values of one check.
const MAX_VALUES: usize = 16;

/// A check of the business: an answer with a good status may say in a header, or in a field of its JSON, that it is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerCheck {
    /// Its name in the tree and the report; unique within the app.
    pub name: String,
    /// The header of the answer. Either this, or `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The field of the answer's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonField>,
    /// When an answer fails it.
    pub fails_if: FailsIf,
}

/// A field of an answer whose body is JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonField {
    /// Where it stands, as a JSON pointer (RFC 6901).
    pub pointer: String,
}

/// When an answer fails a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailsIf {
    /// There is one of these values.
    Equals(Values),
    /// There is none of these values; an answer in which there is nothing says nothing.
    NotEquals(Values),
    /// There is nothing.
    Missing,
    /// There is something.
    Present,
}

/// One value, or several of which each is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WrittenValues", into = "WrittenValues")]
#[schemars(with = "WrittenValues")]
pub struct Values(Vec<String>);

/// Values as they are written: texts, or what is meant by their text.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a value or a list of values: texts, numbers, booleans")]
enum WrittenValues {
    One(WrittenValue),
    Several(Vec<WrittenValue>),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum WrittenValue {
    Text(String),
    Boolean(bool),
    Whole(i64),
    Large(u64),
    Fraction(f64),
}

/// What an answer has where a check looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Said<'a> {
    /// Nothing, or JSON's null.
    Nothing,
    /// A text; a boolean as JSON writes it.
    Text(&'a [u8]),
    /// A whole number of JSON.
    Whole(i128),
    /// Any other number of JSON.
    Fraction(f64),
    /// An object or a list of JSON.
    Structure,
}

impl FailsIf {
    /// Whether an answer fails that says this.
    #[must_use]
    pub fn fails(&self, said: Said<'_>) -> bool {
        let is_nothing = said == Said::Nothing;
        match self {
            FailsIf::Equals(bad) => bad.have(said),
            FailsIf::NotEquals(good) => !is_nothing && !good.have(said),
            FailsIf::Missing => is_nothing,
            FailsIf::Present => !is_nothing,
        }
    }

    /// The values that it names.
    pub(crate) fn values(&self) -> &[String] {
        match self {
            FailsIf::Equals(values) | FailsIf::NotEquals(values) => &values.0,
            FailsIf::Missing | FailsIf::Present => &[],
        }
    }

    /// Whether it names as many and as long values as it may.
    pub(crate) fn is_bounded(&self) -> bool {
        let named = matches!(self, FailsIf::Missing | FailsIf::Present) || !self.values().is_empty();
        let are_short = self.values().iter().all(|value| value.len() <= MAX_VALUE_BYTES);
        named && are_short && self.values().len() <= MAX_VALUES
    }
}

impl Values {
    fn have(&self, said: Said<'_>) -> bool {
        self.0.iter().any(|value| match said {
            Said::Nothing | Said::Structure => false,
            Said::Text(text) => text == value.as_bytes(),
            Said::Whole(number) => match value.parse::<i128>() {
                Ok(value) => value == number,
                Err(_) => is_number(value, number as f64),
            },
            Said::Fraction(number) => is_number(value, number),
        })
    }
}

/// Whether a text means this number.
fn is_number(text: &str, number: f64) -> bool {
    text.parse::<f64>() == Ok(number)
}

impl From<&str> for Values {
    fn from(value: &str) -> Values {
        Values(vec![value.to_owned()])
    }
}

impl From<WrittenValues> for Values {
    fn from(written: WrittenValues) -> Values {
        let text = |value| match value {
            WrittenValue::Text(text) => text,
            WrittenValue::Boolean(boolean) => boolean.to_string(),
            WrittenValue::Whole(number) => number.to_string(),
            WrittenValue::Large(number) => number.to_string(),
            WrittenValue::Fraction(number) => number.to_string(),
        };
        match written {
            WrittenValues::One(value) => Values(vec![text(value)]),
            WrittenValues::Several(values) => Values(values.into_iter().map(text).collect()),
        }
    }
}

impl From<Values> for WrittenValues {
    fn from(Values(values): Values) -> WrittenValues {
        match <[String; 1]>::try_from(values) {
            Ok([value]) => WrittenValues::One(WrittenValue::Text(value)),
            Err(values) => WrittenValues::Several(values.into_iter().map(WrittenValue::Text).collect()),
        }
    }
}

impl JsonField {
    /// Where it stands; `None`: it is no pointer, or one with too many steps.
    #[must_use]
    pub fn place(&self) -> Option<JsonPointer> {
        let is_short = self.pointer.len() <= MAX_VALUE_BYTES;
        JsonPointer::parse(&self.pointer).filter(|place| is_short && place.steps().len() <= MAX_STEPS)
    }
}

/// Most steps to a field.
const MAX_STEPS: usize = 16;

/// Answers say which version they come from, so that a switch which leads to the wrong side is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The header whose value is the version.
    pub header: String,
    /// What is asked for, by `GET`, before users see a version, to find out whether it says who it is; `null`: nothing.
    #[serde(default = "root")]
    pub path: Option<String>,
    /// What happens when an answer comes from another version than the one that was asked.
    #[serde(default = "back")]
    pub on_mismatch: Reaction,
}

#[allow(clippy::unnecessary_wraps, reason = "the form that serde asks for")]
fn root() -> Option<String> {
    Some("/".to_owned())
}

fn back() -> Reaction {
    Reaction::Rollback
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fails_if(written: Value) -> FailsIf {
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn an_answer_that_says_nothing_fails_only_where_there_must_be_something() {
        let all =
            [json!({"equals": "false"}), json!({"not_equals": "true"}), json!("missing"), json!("present")]
                .map(fails_if);
        let fails = |said| all.each_ref().map(|one| one.fails(said));
        assert_eq!(fails(Said::Text(b"false")), [true, true, false, true]);
        assert_eq!(fails(Said::Text(b"true")), [false, false, false, true]);
        assert_eq!(fails(Said::Text(b"maybe")), [false, true, false, true]);
        assert_eq!(fails(Said::Structure), [false, true, false, true]);
        assert_eq!(fails(Said::Nothing), [false, false, true, false]);
    }

    #[test]
    fn values_are_compared_as_what_they_mean() {
        let odd = fails_if(json!({"equals": ["", "7", 0.5, true]}));
        for said in
            [Said::Text(b""), Said::Text(b"7"), Said::Whole(7), Said::Fraction(7.0), Said::Fraction(0.5)]
        {
            assert!(odd.fails(said), "{said:?}");
        }
        assert!(odd.fails(Said::Text(b"true")), "a boolean is told as its text");
        for said in
            [Said::Whole(0), Said::Text(b"7.0"), Said::Fraction(f64::NAN), Said::Structure, Said::Nothing]
        {
            assert!(!odd.fails(said), "{said:?}");
        }
        let large = fails_if(json!({"equals": "9007199254740993"}));
        assert!(large.fails(Said::Whole(9_007_199_254_740_993)));
        assert!(!large.fails(Said::Whole(9_007_199_254_740_992)), "it is no double");
    }

    #[test]
    fn what_was_written_as_a_scalar_is_kept_as_its_text() {
        let kept = |written| serde_json::to_value(fails_if(written)).unwrap();
        assert_eq!(kept(json!({"equals": false})), json!({"equals": "false"}));
        assert_eq!(kept(json!({"not_equals": ["a", 1]})), json!({"not_equals": ["a", "1"]}));
        assert_eq!(kept(json!("present")), json!("present"));
        assert!(serde_json::from_value::<FailsIf>(json!({"equals": {}})).is_err());
    }

    #[test]
    fn a_check_without_a_value_or_with_too_much_of_them_is_none() {
        let is_bounded = |written| fails_if(written).is_bounded();
        assert!(is_bounded(json!("missing")) && is_bounded(json!({"equals": "x".repeat(256)})));
        assert!(!is_bounded(json!({"equals": []})) && !is_bounded(json!({"equals": vec!["x"; 17]})));
        assert!(!is_bounded(json!({"equals": "x".repeat(257)})));
        let field = |pointer: &str| JsonField { pointer: pointer.to_owned() }.place();
        assert!(field("").is_some() && field(&"/a".repeat(16)).is_some());
        assert!(
            field("a").is_none()
                && field(&"/a".repeat(17)).is_none()
                && field(&format!("/{}", "a".repeat(256))).is_none()
        );
    }
}
