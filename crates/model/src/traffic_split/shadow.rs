//! The shadow of a rule: a share of the requests that it sends to the live version is copied to the new one, and the
//! answers are compared. Users never see an answer of a copy.
//!
//! Releases write it while their gate `shadow` runs. Its numbers are whole ones, so that what is written is what is read.

use super::json_path::JsonPath;
use serde::{Deserialize, Serialize};

/// Longest id, header name or method.
const MAX_TEXT: usize = 128;
/// Shares are told in millionths.
const WHOLE_PPM: u32 = 1_000_000;
/// Most copies a second.
const MAX_PER_S: u32 = 1_000_000;
/// Most copies under way.
const MAX_IN_FLIGHT: u32 = 10_000;
/// Largest body that may be kept, bytes.
const MAX_BODY_BYTES: u64 = 16 << 20;
/// Longest wait for an answer, milliseconds.
const MAX_TIMEOUT_MS: u64 = 600_000;
/// Most entries of a list.
const MAX_ENTRIES: usize = 256;

/// The methods that are copied where none are named: those that change nothing (RFC 9110, section 9.2.1).
pub const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// A shadow that is cast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowRule {
    /// Unique for each attempt of a gate. A gateway counts together what is counted under one id.
    pub id: String,
    /// The upstream that gets the copies: the new version's. Requests that the rule sends there are not copied.
    pub to: String,
    /// Share of the requests that the rule decides which is drawn for a copy, millionths.
    pub share_ppm: u32,
    /// Share of the copied ones, millionths, for which the live version is asked a second time, to learn what differs by
    /// itself. Only with a method that is safe, whatever `methods` says.
    pub noise_ppm: u32,
    /// The methods that are copied; absent: the safe ones, GET, HEAD and OPTIONS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Most copies in a second, of one gateway.
    pub max_per_s: u32,
    /// Most copies under way at once, of one gateway.
    pub max_in_flight: u32,
    /// Largest body, bytes. A request with a larger one is not copied; of answers with a larger one only status and
    /// headers are compared.
    pub max_body_bytes: u64,
    /// From the sending of a copy to the end of its answer, milliseconds.
    pub timeout_ms: u64,
    /// Names of headers that are compared, besides status, content type and body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Places in JSON bodies that are not compared, with all that is below them: [`JsonPath`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether examples may show values of headers and bodies; else only where they differ, and in what way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub examples: bool,
}

impl ShadowRule {
    /// Whether a request with this method may be copied.
    #[must_use]
    pub fn copies(&self, method: &str) -> bool {
        match &self.methods {
            None => SAFE_METHODS.contains(&method),
            Some(methods) => methods.iter().any(|allowed| allowed == method),
        }
    }

    /// What is wrong with it, with the field.
    pub(super) fn mistake(&self) -> Option<String> {
        let names_file = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !self.id.starts_with('.') && self.id.bytes().all(names_file);
        if !is_name || !(1..=MAX_TEXT).contains(&self.id.len()) {
            return Some(format!("shadow.id: must be 1 to {MAX_TEXT} of a-z, A-Z, 0-9, -, _ and ."));
        }
        if !(1..=MAX_TEXT).contains(&self.to.len()) {
            return Some("shadow.to: must be the id of an upstream".to_owned());
        }
        let numbers = [
            ("share_ppm", u64::from(self.share_ppm), 1, u64::from(WHOLE_PPM)),
            ("noise_ppm", u64::from(self.noise_ppm), 0, u64::from(WHOLE_PPM)),
            ("max_per_s", u64::from(self.max_per_s), 1, u64::from(MAX_PER_S)),
            ("max_in_flight", u64::from(self.max_in_flight), 1, u64::from(MAX_IN_FLIGHT)),
            ("max_body_bytes", self.max_body_bytes, 0, MAX_BODY_BYTES),
            ("timeout_ms", self.timeout_ms, 1, MAX_TIMEOUT_MS),
        ];
        let wrong = numbers.into_iter().find(|(_, number, least, most)| !(least..=most).contains(&number));
        if let Some((field, _, least, most)) = wrong {
            return Some(format!("shadow.{field}: must be {least} to {most}"));
        }
        self.mistake_in_lists()
    }

    fn mistake_in_lists(&self) -> Option<String> {
        let is_name = |text: &String| super::extension::is_token(text) && text.len() <= MAX_TEXT;
        let methods = self.methods.as_deref().unwrap_or_default();
        // These are not forwarded at all.
        let is_method = |text: &String| is_name(text) && !matches!(text.as_str(), "CONNECT" | "TRACE");
        if !methods.iter().all(is_method) || methods.len() > MAX_ENTRIES {
            return Some("shadow.methods: must be methods, and neither CONNECT nor TRACE".to_owned());
        }
        if !self.headers.iter().all(is_name) || self.headers.len() > MAX_ENTRIES {
            return Some(format!("shadow.headers: must be at most {MAX_ENTRIES} names of headers"));
        }
        if self.ignore.len() > MAX_ENTRIES {
            return Some(format!("shadow.ignore: must be at most {MAX_ENTRIES} places"));
        }
        let wrong = |path: &String| Some(format!("shadow.ignore: {path} {}", JsonPath::parse(path).err()?));
        self.ignore.iter().find_map(wrong)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use crate::traffic_split::Extension;
    use serde_json::{Value, json};

    fn rule() -> Value {
        json!({
            "id": "shop-7-shadow-1", "to": "shop-green", "share_ppm": 100_000, "noise_ppm": 200_000, "max_per_s": 50,
            "max_in_flight": 20, "max_body_bytes": 65_536, "timeout_ms": 5_000,
        })
    }

    fn read(rule: Value) -> Result<Extension, String> {
        Extension::of(&json!({ "tealgate": {"shadow": rule} }))
    }

    #[test]
    fn a_whole_one_is_read_back() {
        let mut whole = rule();
        assert_eq!(read(whole.clone()).unwrap().to_value(), Some(json!({"shadow": whole})));
        whole["methods"] = json!(["GET", "POST"]);
        whole["headers"] = json!(["Cache-Control"]);
        whole["ignore"] = json!(["$.now", "$.items[*].id"]);
        whole["examples"] = json!(true);
        assert_eq!(read(whole.clone()).unwrap().to_value(), Some(json!({"shadow": whole})));
    }

    #[test]
    fn without_methods_only_safe_ones_are_copied() {
        let shadow = read(rule()).unwrap().shadow.unwrap();
        assert!(["GET", "HEAD", "OPTIONS"].iter().all(|method| shadow.copies(method)));
        assert!(!["POST", "PUT", "DELETE", "get"].iter().any(|method| shadow.copies(method)));
        let mut named = rule();
        named["methods"] = json!(["POST"]);
        let shadow = read(named).unwrap().shadow.unwrap();
        assert!(shadow.copies("POST") && !shadow.copies("GET"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_field() {
        for (field, value) in [
            ("id", json!("a/b")),
            ("id", json!("")),
            ("to", json!("")),
            ("share_ppm", json!(0)),
            ("share_ppm", json!(1_000_001)),
            ("noise_ppm", json!(1_000_001)),
            ("max_per_s", json!(0)),
            ("max_in_flight", json!(0)),
            ("max_body_bytes", json!(u64::MAX)),
            ("timeout_ms", json!(0)),
            ("methods", json!(["TRACE"])),
            ("methods", json!(["GE T"])),
            ("headers", json!([""])),
            ("ignore", json!(["a.b"])),
        ] {
            let mut wrong = rule();
            wrong[field] = value.clone();
            let said = read(wrong).unwrap_err();
            assert!(said.contains(&format!("tealgate.shadow.{field}")), "{value}: {said}");
        }
    }
}
