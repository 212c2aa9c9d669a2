//! What Tealgate adds to a rule of `traffic-split`, under the one key `tealgate`. APISIX's schema leaves a rule open for
//! further keys, and without this one a rule is exactly APISIX's. Releases write it; a person may.

use super::{AnswersRule, GuardRule, ShadowRule};
use crate::policy::{HeldRequests, MAX_HOLD_MS, StickyBy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The key of a rule under which all of it stands.
pub const EXTENSION: &str = "tealgate";

/// Longest lifetime of an assignment's cookie, seconds: 30 days.
const MAX_COOKIE_AGE_S: u64 = 30 * 24 * 60 * 60;
/// Longest text in it: ids, salts, names.
pub(crate) const MAX_TEXT: usize = 128;

/// The extension of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Extension {
    /// Users keep their choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<StickyRule>,
    /// The order within a cycle is shuffled by this seed. Counts over whole cycles stay exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<String>,
    /// Requests that this rule decides wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldRule>,
    /// What is asked of the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswersRule>,
    /// The gateway takes the share back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardRule>,
    /// Copies of requests go to the new version, and answers are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowRule>,
}

/// Each user has a point from 0 to 1, and the choices of the rule, in their order, have intervals as long as their
/// weights. So when the first weight grows, everyone who was in its interval stays in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StickyRule {
    /// By what a user is known.
    pub by: StickyBy,
    /// Name of the header or cookie; empty for the others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Who has which point depends on it.
    pub salt: String,
    /// `Max-Age` of the cookie, seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_age_s: u64,
}

/// A hold that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRule {
    /// Unique. A gateway keeps each hold once, for at most its budget, whoever forgets to lift it.
    pub id: String,
    /// Which requests wait.
    pub requests: HeldRequests,
    /// How long at most, milliseconds.
    pub budget_ms: u64,
    /// How many at most, in one gateway.
    pub max_requests: u32,
    /// With how much memory at most, in one gateway, bytes.
    pub max_bytes: u64,
}

impl Extension {
    /// Reads the extension of a rule; a rule without one has the empty one. Whoever writes a rule reads it so.
    ///
    /// # Errors
    /// What is wrong, with the field.
    pub fn of(rule: &Value) -> Result<Extension, String> {
        let Some(value) = rule.get(EXTENSION) else { return Ok(Extension::default()) };
        let extension = Extension::deserialize(value).map_err(|error| format!("{EXTENSION}: {error}"))?;
        match extension.mistake() {
            None => Ok(extension),
            Some(mistake) => Err(format!("{EXTENSION}.{mistake}")),
        }
    }

    /// Reads the extension of a rule as a gateway runs it: what this version cannot read is left out and told, part by
    /// part, and the rest holds. Another version may have written it, and the route must not go out of service for that: what
    /// is left out reports nothing, and to a release unknown is not pass.
    #[must_use]
    pub fn readable(rule: &Value) -> (Extension, Vec<String>) {
        let error = match Extension::of(rule) {
            Ok(extension) => return (extension, Vec::new()),
            Err(error) => error,
        };
        let Some(parts) = rule.get(EXTENSION).and_then(Value::as_object) else {
            return (Extension::default(), vec![error]);
        };
        let (mut read, mut left_out) = (Map::new(), Vec::new());
        for (name, part) in parts {
            let alone = Map::from_iter([(name.clone(), part.clone())]);
            match Extension::of(&Map::from_iter([(EXTENSION.to_owned(), Value::Object(alone))]).into()) {
                Ok(_) => drop(read.insert(name.clone(), part.clone())),
                Err(error) => left_out.push(error),
            }
        }
        (Extension::deserialize(Value::Object(read)).unwrap_or_default(), left_out)
    }

    /// The extension as the value of its key; `None`: it is empty.
    #[must_use]
    pub fn to_value(&self) -> Option<Value> {
        let value = serde_json::to_value(self).ok()?;
        (*self != Extension::default()).then_some(value)
    }

    fn mistake(&self) -> Option<String> {
        let is_text = |text: &str| !text.is_empty() && text.len() <= MAX_TEXT;
        if let Some(seed) = &self.shuffle
            && !is_text(seed)
        {
            return Some(format!("shuffle: must have 1 to {MAX_TEXT} bytes"));
        }
        if let Some(sticky) = &self.sticky {
            let named = matches!(sticky.by, StickyBy::Cookie | StickyBy::Header);
            if !is_text(&sticky.salt) {
                return Some(format!("sticky.salt: must have 1 to {MAX_TEXT} bytes"));
            }
            if named != is_token(&sticky.name) || sticky.name.len() > MAX_TEXT {
                return Some("sticky.name: must name a cookie or header, and nothing else".to_owned());
            }
            let is_cookie = sticky.by == StickyBy::Cookie;
            if is_cookie != (1..=MAX_COOKIE_AGE_S).contains(&sticky.max_age_s) {
                return Some(format!("sticky.max_age_s: must be 1 to {MAX_COOKIE_AGE_S} for a cookie"));
            }
        }
        if let Some(hold) = &self.hold {
            if !is_text(&hold.id) {
                return Some(format!("hold.id: must have 1 to {MAX_TEXT} bytes"));
            }
            if !(1..=MAX_HOLD_MS).contains(&hold.budget_ms) {
                return Some(format!("hold.budget_ms: must be 1 to {MAX_HOLD_MS}"));
            }
        }
        let of_shadow = || self.shadow.as_ref().and_then(ShadowRule::mistake);
        let of_answers = || self.answers.as_ref().and_then(AnswersRule::mistake);
        self.guard.as_ref().and_then(GuardRule::mistake).or_else(of_shadow).or_else(of_answers)
    }
}

/// RFC 9110, section 5.6.2: what may name a header or a cookie.
pub(crate) fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(extension: Value) -> Result<Extension, String> {
        Extension::of(&json!({ "tealgate": extension }))
    }

    fn guard(id: &str) -> Value {
        json!({
            "id": id, "new": "shop-green", "max_error_ppm": 50_000, "min_requests": 20, "break_ppm": 250_000,
            "false_alarm_one_in": 1_000, "tolerance_percent": 120, "controller_missing": "revert",
            "missing_after_ms": 5_000, "planned_restart_ms": 60_000,
        })
    }

    #[test]
    fn the_id_of_a_guard_can_name_a_file_and_nothing_else() {
        assert!(read(json!({"guard": guard("shop-7.A_b-1")})).is_ok());
        for wrong in ["", ".", "..", ".a", "a/b", "a b", "\u{e4}", &"a".repeat(129)] {
            let said = read(json!({"guard": guard(wrong)})).unwrap_err();
            assert!(said.contains("tealgate.guard.id"), "{wrong}: {said}");
        }
    }

    #[test]
    fn a_rule_without_the_key_has_none_and_a_whole_one_is_read_back() {
        assert_eq!(Extension::of(&json!({})), Ok(Extension::default()));
        assert_eq!(Extension::default().to_value(), None);
        let whole = json!({
            "sticky": {"by": "cookie", "name": "c", "salt": "shop-7", "max_age_s": 60},
            "shuffle": "shop-7",
            "hold": {"id": "shop-7#4", "requests": "writes", "budget_ms": 500, "max_requests": 9, "max_bytes": 1},
            "answers": {"checks": [{"header": "x-ok", "fails_if": {"equals": "false"}}, {"header": "x", "fails_if": "missing"}],
                "identity": {"header": "x-version", "versions": {"shop-green": "2"}}},
            "guard": guard("shop-7-1"),
        });
        assert_eq!(read(whole.clone()).unwrap().to_value(), Some(whole));
    }

    #[test]
    fn what_another_version_has_written_is_left_out_part_by_part_and_told() {
        let hold = json!({"id": "a", "requests": "all", "budget_ms": 500, "max_requests": 1, "max_bytes": 1});
        let mut newer = guard("g");
        newer["of_a_newer_version"] = json!(1);
        let rule = json!({ "tealgate": {"shuffle": "s", "hold": hold, "guard": newer, "prism": {"x": 1}} });
        assert!(Extension::of(&rule).is_err(), "nobody writes that");
        let (read, left_out) = Extension::readable(&rule);
        assert_eq!(read.to_value(), Some(json!({"shuffle": "s", "hold": hold})));
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        for name in ["of_a_newer_version", "prism"] {
            assert!(left_out.iter().any(|error| error.contains(name)), "{left_out:?}");
        }
        for wrong in [json!(7), json!("x"), json!(null)] {
            let (read, left_out) = Extension::readable(&json!({ "tealgate": wrong }));
            assert_eq!((read, left_out.len()), (Extension::default(), 1));
        }
        assert_eq!(Extension::readable(&json!({})), (Extension::default(), Vec::new()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_field() {
        for (wrong, field) in [
            (json!({"x": 1}), "unknown field `x`"),
            (
                json!({"answers": {"checks": [{"header": "a b", "fails_if": "missing"}]}}),
                "tealgate.answers.checks[0].header",
            ),
            (
                json!({"answers": {"checks": [{"header": "a", "fails_if": {"equals": "x".repeat(300)}}]}}),
                "checks[0].fails_if",
            ),
            (
                json!({"answers": {"identity": {"header": "", "versions": {}}}}),
                "tealgate.answers.identity.header",
            ),
            (json!({"shuffle": ""}), "tealgate.shuffle"),
            (json!({"sticky": {"by": "moon", "salt": "s"}}), "unknown variant `moon`"),
            (json!({"sticky": {"by": "header", "salt": "s"}}), "tealgate.sticky.name"),
            (json!({"sticky": {"by": "header", "salt": "s", "name": "a b"}}), "tealgate.sticky.name"),
            (json!({"sticky": {"by": "address", "salt": "s", "name": "a"}}), "tealgate.sticky.name"),
            (json!({"sticky": {"by": "address", "salt": ""}}), "tealgate.sticky.salt"),
            (json!({"sticky": {"by": "cookie", "salt": "s", "name": "a"}}), "tealgate.sticky.max_age_s"),
            (
                json!({"hold": {"id": "a", "requests": "all", "budget_ms": 30_001, "max_requests": 1, "max_bytes": 1}}),
                "tealgate.hold.budget_ms",
            ),
        ] {
            let said = read(wrong.clone()).unwrap_err();
            assert!(said.contains(field), "{wrong}: {said}");
        }
        for (field, value) in [
            ("new", json!("")),
            ("max_error_ppm", json!(1_000_001)),
            ("break_ppm", json!(0)),
            ("hang", json!({"requests": 0})),
            ("hang", json!({"after_ms": 0})),
            ("false_alarm_one_in", json!(1)),
            ("check_false_alarm_one_in", json!(1)),
            ("unexamined_false_alarm_one_in", json!(0)),
            ("unended_false_alarm_one_in", json!(1)),
            ("tolerance_percent", json!(99)),
            ("missing_after_ms", json!(u64::MAX)),
        ] {
            let mut wrong = guard("g");
            wrong[field] = value;
            let said = read(json!({ "guard": wrong })).unwrap_err();
            assert!(said.contains(&format!("tealgate.guard.{field}")), "{said}");
        }
    }

    #[test]
    fn where_users_are_compared_none_of_what_they_are_asked_is_left_out_in_between() {
        let [failures, check, unexamined] =
            ["false_alarm_one_in", "check_false_alarm_one_in", "unexamined_false_alarm_one_in"];
        for (compared, is_meant) in [
            (vec![], true),
            (vec![failures], true),
            (vec![failures, check], true),
            (vec![failures, check, unexamined], true),
            (vec![check], false),
            (vec![unexamined], false),
            (vec![check, unexamined], false),
            (vec![failures, unexamined], false),
        ] {
            let mut by_users = guard("g");
            by_users[failures] = json!(null);
            compared.iter().for_each(|one_in| by_users[one_in] = json!(1_000));
            by_users["checks"] = json!(["order"]);
            assert!(read(json!({ "guard": by_users })).is_ok(), "requests: {compared:?}");
            by_users["by_users"] = json!(true);
            let said = read(json!({ "guard": by_users })).err();
            assert_eq!(said.is_none(), is_meant, "{compared:?}: {said:?}");
            assert!(said.is_none_or(|said| said.contains("tealgate.guard.by_users: ")));
            by_users["checks"] = json!([]);
            assert!(read(json!({ "guard": by_users })).is_ok(), "without checks: {compared:?}");
        }
    }
}
