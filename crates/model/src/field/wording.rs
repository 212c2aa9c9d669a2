//! serde's words for a wrong value, which name Rust's types, in words of those who write the value. Pure.
//!
//! What a mapping holds and which choices there are is read from the JSON schema of what is expected, so nothing is listed twice.

use serde_json::{Map, Value};

/// Most names that are listed.
const MAX_NAMES: usize = 8;
/// Longest text that is shown, characters.
const MAX_TEXT: usize = 60;
/// Deepest chain of references within a schema.
const MAX_REFERENCES: usize = 16;

/// What is expected, as its JSON schema (2020-12) says it.
#[derive(Clone, Debug)]
pub struct Wording {
    schema: Value,
}

impl Wording {
    /// That of a type whose schema this is.
    #[must_use]
    pub fn of(schema: Value) -> Wording {
        Wording { schema }
    }

    /// What serde says of the value at a JSON pointer, in plain words: `must be a whole number from 0 to 255, not the text "x"`. What
    /// is none of its common texts stays as it is.
    #[must_use]
    pub fn plain(&self, pointer: &str, text: &str) -> String {
        // serde_json ends some texts with a line and a column of a text that does not exist here.
        let text = without_position(text);
        if let Some(rest) = text.strip_prefix("unknown variant") {
            return format!("unknown value{rest}");
        }
        let of_kind = |kind: &str| text.strip_prefix(kind)?.rsplit_once(", expected ");
        if let Some((found, expected)) = of_kind("invalid type: ").or_else(|| of_kind("invalid value: ")) {
            return format!("must be {}, not {}", self.expected(pointer, expected), found_in_words(found));
        }
        match of_kind("invalid length ") {
            Some((length, expected)) => {
                format!("must be {}, not a list of {length}", self.expected(pointer, expected))
            }
            None => text.to_owned(),
        }
    }

    fn expected(&self, pointer: &str, expected: &str) -> String {
        if let Some(range) = expected.strip_prefix(['u', 'i']).and_then(|_| self.range(pointer)) {
            return range;
        }
        let plain = match expected {
            "u8" => "a whole number from 0 to 255",
            "u16" => "a whole number from 0 to 65535",
            "u32" => "a whole number from 0 to 4294967295",
            "u64" | "usize" => "a whole number from 0 on",
            "i8" | "i16" | "i32" | "i64" => "a whole number",
            "f32" | "f64" => "a number",
            "a boolean" => "`true` or `false`",
            "a string" | "string" => "a text",
            "path string" => "a path",
            "a sequence" => "a list",
            "a map" => "a mapping",
            "string or map" | "map with a single key" => return self.choice(pointer),
            _ if expected.starts_with("struct ") => return self.mapping(pointer),
            _ if expected.starts_with("enum ") => return self.choice(pointer),
            other => other,
        };
        plain.to_owned()
    }

    /// A whole number's range, where the schema says it: the same words whether the type or the range is missed.
    fn range(&self, pointer: &str) -> Option<String> {
        let bound = |name: &str| self.at(pointer).iter().find_map(|schema| schema.get(name)?.as_u64());
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => Some(format!("a whole number from {least} to {most}")),
            (Some(least), None) => Some(format!("a whole number from {least} on")),
            _ => None,
        }
    }

    fn mapping(&self, pointer: &str) -> String {
        let at = self.at(pointer);
        let owner = at.iter().find(|schema| schema.contains_key("properties"));
        let required: Vec<&str> = owner
            .and_then(|schema| schema.get("required")?.as_array())
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let all = owner.and_then(|schema| schema.get("properties")?.as_object());
        let rest = all.into_iter().flat_map(Map::keys).map(String::as_str);
        let rest = rest.filter(|name| !required.contains(name));
        let names: Vec<&str> = required.iter().copied().chain(rest).collect();
        if names.is_empty() {
            "a mapping".to_owned()
        } else {
            format!("a mapping with {}", listed(&names, "and"))
        }
    }

    /// One of several names; some of them may have a mapping below.
    fn choice(&self, pointer: &str) -> String {
        let (mut names, mut keys) = (Vec::new(), Vec::new());
        for schema in self.at(pointer) {
            let constants = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
            names.extend(constants.chain(schema.get("const")).filter_map(Value::as_str));
            let properties = schema.get("properties").and_then(Value::as_object);
            if let Some(only) = properties.filter(|properties| properties.len() == 1) {
                keys.extend(only.keys().map(String::as_str));
            }
        }
        match (names.is_empty(), keys.is_empty()) {
            (true, true) => "a text, or a mapping with one entry".to_owned(),
            (false, true) => listed(&names, "or"),
            (true, false) => format!("a mapping with one entry: {}", listed(&keys, "or")),
            (false, false) => {
                format!("{}, or a mapping with one entry: {}", listed(&names, "or"), listed(&keys, "or"))
            }
        }
    }

    /// The parts of the schema that may hold at a pointer, references and alternatives resolved.
    pub(super) fn at(&self, pointer: &str) -> Vec<&Map<String, Value>> {
        let mut here = Vec::new();
        self.resolve(&self.schema, 0, &mut here);
        for token in pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")) {
            let mut next = Vec::new();
            for schema in here {
                let property = schema.get("properties").and_then(|properties| properties.get(&token));
                let item = || schema.get("items").filter(|_| token.parse::<usize>().is_ok());
                let below = property.or_else(item).or_else(|| schema.get("additionalProperties"));
                if let Some(below) = below {
                    self.resolve(below, 0, &mut next);
                }
            }
            here = next;
        }
        here
    }

    fn resolve<'a>(&'a self, schema: &'a Value, depth: usize, into: &mut Vec<&'a Map<String, Value>>) {
        if let Some(object) = schema.as_object() {
            self.resolve_object(object, depth, into);
        }
    }

    /// What a schema refers to.
    pub(super) fn referred(&self, schema: &Map<String, Value>) -> Option<&Map<String, Value>> {
        let path = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.schema.pointer(path)?.as_object()
    }

    fn resolve_object<'a>(
        &'a self,
        object: &'a Map<String, Value>,
        depth: usize,
        into: &mut Vec<&'a Map<String, Value>>,
    ) {
        if depth >= MAX_REFERENCES {
            return;
        }
        into.push(object);
        if let Some(target) = self.referred(object) {
            self.resolve_object(target, depth + 1, into);
        }
        for several in ["anyOf", "oneOf", "allOf"] {
            for one in object.get(several).and_then(Value::as_array).into_iter().flatten() {
                self.resolve(one, depth + 1, into);
            }
        }
    }
}

/// Without ` at line 1 column 2` at its end.
fn without_position(text: &str) -> &str {
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    match text.rsplit_once(" at line ") {
        Some((before, place))
            if place
                .split_once(" column ")
                .is_some_and(|(line, column)| is_number(line) && is_number(column)) =>
        {
            before
        }
        _ => text,
    }
}

/// What was there instead, as serde names it.
fn found_in_words(found: &str) -> String {
    if let Some(text) = found.strip_prefix("string ") {
        let short: String = text.chars().take(MAX_TEXT).collect();
        let more = if short.len() < text.len() { "..." } else { "" };
        return format!("the text {short}{more}");
    }
    let number = found.strip_prefix("integer `").or_else(|| found.strip_prefix("floating point `"));
    if let Some(number) = number {
        return format!("the number {}", number.trim_end_matches('`'));
    }
    match found {
        "null" | "unit value" | "Option value" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a mapping".to_owned(),
        other => other.strip_prefix("boolean ").unwrap_or(other).to_owned(),
    }
}

/// `a`, `b` and `c`.
fn listed(names: &[&str], last: &str) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect();
    match shown.split_last() {
        _ if names.len() > MAX_NAMES => format!("{}, ...", shown.join(", ")),
        Some((end, [])) => end.clone(),
        Some((end, begin)) => format!("{} {last} {end}", begin.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::app::App;
    use crate::field::parse;
    use serde_json::{Value, json};

    fn told(release: Value) -> (String, String) {
        let target = json!({"process": {"command": ["x"]}});
        let app = json!({"id": "shop", "service_id": "shop", "target": target, "release": release});
        let error = parse::<App>(app).unwrap_err();
        (error.pointer, error.text)
    }

    #[test]
    fn a_wrong_type_is_told_without_the_words_of_rust() {
        let cases = [
            (json!({"soak": {"hold_back": 300}}), "a whole number from 0 to 50, not the number 300"),
            (json!({"limits": {"min_requests": "many"}}), "a whole number from 1 on, not the text \"many\""),
            (json!({"soak": {"hold_back": "5"}}), "a whole number from 0 to 50, not the text \"5\""),
            (
                json!({"soak": {"duration_ms": "look at line 3"}}),
                "a whole number from 0 on, not the text \"look at line 3\"",
            ),
            (json!({"soak": {"duration_ms": -1}}), "a whole number from 0 on, not the number -1"),
            (json!({"soak": {"duration_ms": 1.5}}), "a whole number from 0 on, not the number 1.5"),
            (json!({"alpha": true}), "a number, not `true`"),
            (json!({"guard": {"hang": "x"}}), "a mapping with `requests` and `after_ms`, not the text \"x\""),
            (
                json!({"gates": [["smoke"]]}),
                "a mapping with `name`, `check`, `when`, `timeout_ms` and `on_fail`, not a list of ",
            ),
            (
                json!({"soak": 60}),
                "a mapping with `duration_ms`, `interval_ms` and `hold_back`, not the number 60",
            ),
            (json!({"rehearsal": {"required": "yes"}}), "`true` or `false`, not the text \"yes\""),
            (json!({"gates": {}}), "a list, not a mapping"),
            (
                json!({"gates": ["smoke"]}),
                "a mapping with `name`, `check`, `when`, `timeout_ms` and `on_fail`, not the text",
            ),
            (json!({"on_inconclusive": 5}), "`hold`, `proceed` or `rollback`, not the number 5"),
            (json!({"decommission": 5}), "a mapping with one entry: "),
            (
                json!({"gates": [{"name": "a", "check": {"smoke": 1}}]}),
                "a mapping with `requests` and `through_gate`, not the number 1",
            ),
            (
                json!({"gates": [{"name": "a", "check": []}]}),
                "a mapping with one entry: `smoke`, `command`, `metric`, ",
            ),
        ];
        for (release, expected) in cases {
            let (pointer, text) = told(release.clone());
            assert!(text.starts_with(&format!("must be {expected}")), "{release}: {pointer}: {text}");
            let of_rust = ["struct", "expected", "u8", "u64", "enum", "invalid"];
            assert!(of_rust.iter().all(|word| !text.contains(word)), "{text}");
        }
    }

    #[test]
    fn an_app_that_is_no_mapping_says_what_it_holds() {
        let error = parse::<App>(json!("shop")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "must be a mapping with `service_id`, `target`, `id` and `release`, not the text \"shop\""
        );
    }

    #[test]
    fn long_texts_are_cut_and_unknown_values_named() {
        let (_, text) = told(json!({"soak": {"hold_back": "x".repeat(500)}}));
        assert!(text.ends_with("xxx...") && text.len() < 150, "{text}");
        let (_, text) = told(json!({"on_inconclusive": "wait"}));
        assert_eq!(text, "unknown value `wait`, expected one of `hold`, `proceed`, `rollback`");
    }
}
