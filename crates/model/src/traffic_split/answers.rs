//! What a rule asks of the answers to the requests that it decides.

use super::extension::is_token;
use crate::check::is_id;
use crate::policy::{FailsIf, JsonField, MAX_ANSWER_CHECKS, MAX_VALUE_BYTES};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most upstreams whose version is known.
const MAX_VERSIONS: usize = 8;

/// What is asked of every answer; what is absent is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswersRule {
    /// Checks of the business; their places are those of their counters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckRule>,
    /// Which version an answer comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityRule>,
}

/// One check of the business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRule {
    /// Its name in the metrics; empty: its place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The header of the answer. Either this, or `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The field of the answer's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonField>,
    /// When it fails.
    pub fails_if: FailsIf,
}

/// Which version the answers of each upstream must come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityRule {
    /// The header that says so.
    pub header: String,
    /// By the id of the upstream; answers of others are not asked.
    pub versions: BTreeMap<String, String>,
}

impl AnswersRule {
    /// What is wrong with it, with the field.
    pub(super) fn mistake(&self) -> Option<String> {
        if self.checks.len() > MAX_ANSWER_CHECKS {
            return Some(format!("answers.checks: at most {MAX_ANSWER_CHECKS}"));
        }
        for (place, check) in self.checks.iter().enumerate() {
            if let Some(mistake) = check.mistake() {
                return Some(format!("answers.checks[{place}]{mistake}"));
            }
        }
        let is_short = |text: &str| text.len() <= MAX_VALUE_BYTES;
        let identity = self.identity.as_ref()?;
        if !is_token(&identity.header) || !is_short(&identity.header) {
            return Some("answers.identity.header: must name a header".to_owned());
        }
        let all_short = identity.versions.iter().all(|(id, version)| is_short(id) && is_short(version));
        (!all_short || identity.versions.len() > MAX_VERSIONS)
            .then(|| format!("answers.identity.versions: at most {MAX_VERSIONS} of {MAX_VALUE_BYTES} bytes"))
    }
}

impl CheckRule {
    fn mistake(&self) -> Option<String> {
        if !self.name.is_empty() && !is_id(&self.name) {
            return Some(".name: must be 1 to 64 characters of a-z, A-Z, 0-9, -, _ and .".to_owned());
        }
        match (&self.header, &self.json) {
            (Some(header), None) if !is_token(header) || header.len() > MAX_VALUE_BYTES => {
                Some(".header: must name a header".to_owned())
            }
            (None, Some(field)) if field.place().is_none() => Some(format!(
                ".json.pointer: must be a JSON pointer (RFC 6901) of at most {MAX_VALUE_BYTES} bytes"
            )),
            (Some(_), Some(_)) | (None, None) => Some(": must have either header or json".to_owned()),
            _ if !self.fails_if.is_bounded() => {
                Some(format!(".fails_if: must have 1 to 16 values of at most {MAX_VALUE_BYTES} bytes"))
            }
            _ => None,
        }
    }
}
