//! What the gateway asks of each answer besides its status: whether the business is content, and which version it is from.

use super::Reaction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most checks of one policy: each has a counter of its own in every series.
pub const MAX_ANSWER_CHECKS: usize = 4;

/// A check of the business: an answer with a good status may say in a header that it is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerCheck {
    /// Its name in the tree and the report; unique within the app.
    pub name: String,
    /// The header of the answer.
    pub header: String,
    /// When an answer fails it.
    pub fails_if: FailsIf,
}

/// When an answer fails a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailsIf {
    /// The header has exactly this value.
    Equals(String),
    /// It has another value than this one; an answer without the header says nothing.
    NotEquals(String),
    /// It is not there.
    Missing,
}

impl FailsIf {
    /// Whether an answer with this value of the header fails; `None`: it does not have it.
    #[must_use]
    pub fn fails(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (FailsIf::Equals(bad), Some(value)) => value == bad.as_bytes(),
            (FailsIf::NotEquals(good), Some(value)) => value != good.as_bytes(),
            (FailsIf::Missing, value) => value.is_none(),
            (_, None) => false,
        }
    }
}

/// Answers say which version they come from, so that a switch which leads to the wrong side is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The header whose value is the version.
    pub header: String,
    /// What happens when an answer comes from another version than the one that was asked.
    #[serde(default = "back")]
    pub on_mismatch: Reaction,
}

fn back() -> Reaction {
    Reaction::Rollback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_the_header_fails_only_where_it_must_be_there() {
        let (bad, good) = (FailsIf::Equals("false".to_owned()), FailsIf::NotEquals("true".to_owned()));
        let fails = |value: Option<&str>| {
            [&bad, &good, &FailsIf::Missing].map(|one| one.fails(value.map(str::as_bytes)))
        };
        assert_eq!(fails(Some("false")), [true, true, false]);
        assert_eq!(fails(Some("true")), [false, false, false]);
        assert_eq!(fails(Some("maybe")), [false, true, false]);
        assert_eq!(fails(None), [false, false, true]);
    }
}
