//! JSON value → typed form, with all errors at once.
//!
//! serde stops at the first error. Here the part that is wrong is taken out and the rest is tried again, until
//! nothing is wrong any more. What cannot be missing is made up, once at each place, so that what is around it can be checked
//! further. Each round takes something out or makes something up, so it ends.

use crate::config::pointer::{escape, is_within, of_path, split, tokens};
use crate::config::suggest::nearest;
use model::field::Wording;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Most errors that are looked for in one value.
const MAX_FINDINGS: usize = 200;

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where, as a JSON pointer into the value.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// A value as far as it can be read.
#[derive(Debug)]
pub struct Parsed<T> {
    /// What is left without what is wrong, so that it can be checked further; `None`: nothing readable is.
    pub value: Option<T>,
    /// Everything that is wrong with its form.
    pub findings: Vec<Finding>,
    removed: Removed,
}

impl<T> Parsed<T> {
    /// Where something that is wrong with what is left stands in the value as it was; `None`: what was taken out, or put in, may
    /// have made it wrong.
    #[must_use]
    pub fn place(&self, pointer: &str) -> Option<String> {
        let place = self.removed.to_original(pointer);
        let held =
            |taken: &String| *taken == place || taken.rsplit_once('/').is_some_and(|(up, _)| up == place);
        let owns_removed = self.removed.taken.iter().any(held);
        (!owns_removed && !self.removed.is_made_up(&place)).then_some(place)
    }
}

/// Reads a value strictly. `also_known` are names that may stand at its top besides its fields; `stand_ins` are put in at its top
/// where a field is missing that nothing can be read without.
///
/// Tells everything that is wrong with it.
pub fn parse<T: DeserializeOwned + JsonSchema>(
    value: &Value,
    also_known: &[&str],
    stand_ins: &[(&str, Value)],
) -> Parsed<T> {
    let mut rest = value.clone();
    let mut removed = Removed::default();
    let mut findings: Vec<Finding> = Vec::new();
    let mut wording = None;
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&rest) {
            Ok(parsed) => return Parsed { value: Some(parsed), findings, removed },
            Err(error) => error,
        };
        let wording = wording.get_or_insert_with(|| Wording::of(schemars::schema_for!(T).to_value()));
        let current = of_path(error.path());
        let pointer = removed.to_original(&current);
        let text = error.inner().to_string();
        let names = quoted(&text);
        if !removed.caused(&pointer, &text, &names) {
            findings.push(finding(wording, &pointer, &text, &names, also_known));
        }
        let missing = names.first().filter(|_| text.starts_with("missing field"));
        let place = missing.map_or_else(|| current.clone(), |name| format!("{current}/{}", escape(name)));
        let stand_in = match missing {
            Some(name) if current.is_empty() => {
                let known = stand_ins.iter().find(|(field, _)| field == name);
                known.map(|(_, value)| value.clone()).or_else(|| wording.stand_in(&place))
            }
            Some(_) => wording.stand_in(&place),
            // Of a list, a mapping keeps its place; what else is wrong falls back to its default.
            None if is_item(&place) && wording.is_mapping(&place) => wording.stand_in(&place),
            None => None,
        };
        let original = removed.to_original(&place);
        let stand_in =
            stand_in.filter(|_| !text.starts_with("unknown field") && !removed.filled.contains(&original));
        if findings.len() >= MAX_FINDINGS {
            return Parsed { value: None, findings, removed };
        }
        if stand_in.is_some_and(|value| put(&mut rest, &place, value)) {
            removed.filled.push(original);
        } else if take_out(&mut rest, &current) {
            removed.taken.push(pointer);
        } else {
            return Parsed { value: None, findings, removed };
        }
    }
}

/// Whether a pointer leads to an item of a list.
fn is_item(pointer: &str) -> bool {
    pointer.rsplit('/').next().is_some_and(|token| token.parse::<usize>().is_ok())
}

/// Puts a value where nothing or something wrong stands; false where there is no owner for it.
fn put(value: &mut Value, pointer: &str, stand_in: Value) -> bool {
    if let Some(there) = value.pointer_mut(pointer) {
        *there = stand_in;
        return true;
    }
    let Some((owner, name)) = split(pointer) else { return false };
    let Some(owner) = value.pointer_mut(owner).and_then(Value::as_object_mut) else { return false };
    owner.insert(name, stand_in);
    true
}

fn finding(wording: &Wording, pointer: &str, text: &str, names: &[&str], also_known: &[&str]) -> Finding {
    let at_top = tokens(pointer).count() <= 1;
    let (message, hint) = match names.split_first() {
        Some((wrong, known)) if text.starts_with("unknown") => {
            let extra = also_known.iter().copied().filter(|_| at_top);
            let known: Vec<&str> = known.iter().copied().chain(extra).collect();
            let what = if text.starts_with("unknown variant") { "unknown value" } else { "unknown field" };
            (format!("{what} `{wrong}`"), unknown_hint(wrong, &known))
        }
        _ => (wording.plain(pointer, text), String::new()),
    };
    Finding { pointer: pointer.to_owned(), message, hint }
}

fn unknown_hint(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "nothing may stand here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The texts between back-ticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Takes the node at a pointer out of a value; false when it is the whole value or does not exist.
fn take_out(value: &mut Value, pointer: &str) -> bool {
    let Some((owner, token)) = split(pointer) else { return false };
    match value.pointer_mut(owner) {
        Some(Value::Object(map)) => map.shift_remove(&token).is_some(),
        Some(Value::Array(items)) => match token.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// What was taken out, and what was put in, as pointers into the value as it was.
#[derive(Debug, Default)]
struct Removed {
    taken: Vec<String>,
    filled: Vec<String>,
}

impl Removed {
    /// Whether something is made up, or part of what is.
    fn is_made_up(&self, place: &str) -> bool {
        self.filled.iter().any(|filled| is_within(place, filled))
    }

    /// Whether an error is only there because something was taken out right below its place, or made up.
    fn caused(&self, pointer: &str, text: &str, names: &[&str]) -> bool {
        if self.is_made_up(pointer) {
            return true;
        }
        let mut below =
            self.taken.iter().filter_map(|removed| removed.rsplit_once('/')).filter(|(up, _)| *up == pointer);
        if text.starts_with("unknown") {
            return false;
        }
        match names.first().filter(|_| text.starts_with("missing field")) {
            Some(name) => below.any(|(_, token)| token == escape(name)),
            None => below.next().is_some(),
        }
    }

    /// Items of an array move up when one before them is taken out; this undoes that.
    fn to_original(&self, current: &str) -> String {
        let mut original = String::new();
        for token in tokens(current) {
            let token = match token.parse::<usize>() {
                Ok(index) => self.original_index(&original, index).to_string(),
                Err(_) => escape(&token),
            };
            original.push('/');
            original.push_str(&token);
        }
        original
    }

    fn original_index(&self, array: &str, current: usize) -> usize {
        let siblings = self.taken.iter().filter_map(|removed| removed.rsplit_once('/'));
        let mut gone: Vec<usize> = siblings
            .filter(|(parent, _)| *parent == array)
            .filter_map(|(_, token)| token.parse().ok())
            .collect();
        gone.sort_unstable();
        gone.into_iter().fold(current, |index, gone| if gone <= index { index + 1 } else { index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Settings;
    use model::app::App;
    use serde_json::json;

    fn findings<T: DeserializeOwned + JsonSchema + std::fmt::Debug>(
        value: &Value,
    ) -> Vec<(String, String, String)> {
        let findings = parse::<T>(value, &["routes"], &[]).findings;
        findings.into_iter().map(|finding| (finding.pointer, finding.message, finding.hint)).collect()
    }

    #[test]
    fn all_errors_are_found_at_once() {
        let value = json!({"lisetn": "x", "threads": "four", "log": {"level": "loud"}, "dns": {"valid": 1}, "route": []});
        let found = findings::<Settings>(&value);
        let fields: Vec<_> = found.iter().map(|(pointer, ..)| pointer.as_str()).collect();
        assert_eq!(fields, ["/lisetn", "/threads", "/log/level", "/dns/valid", "/route"]);
        assert_eq!(found[0].2, "did you mean `listen`?");
        assert_eq!(found[3].2, "did you mean `valid_ms`?");
        assert_eq!(found[4].2, "did you mean `routes`?");
    }

    #[test]
    fn the_index_of_an_item_is_the_one_in_the_file() {
        let value = json!({"admin": {"allow": [1, "10.0.0.1", 2, 3]}});
        let pointers: Vec<_> = findings::<Settings>(&value).into_iter().map(|found| found.0).collect();
        assert_eq!(pointers, ["/admin/allow/0", "/admin/allow/2", "/admin/allow/3"]);
    }

    #[test]
    fn a_missing_field_is_told_and_what_follows_is_still_read() {
        let value =
            json!({"service_id": "s", "target": {"process": {}}, "release": {"soak": {"duration": 1}}});
        let found = findings::<App>(&value);
        let told: Vec<_> =
            found.iter().map(|(pointer, message, _)| (pointer.as_str(), message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("/target/process", "missing field `command`"),
                ("/release/soak/duration", "unknown field `duration`")
            ]
        );
    }

    #[test]
    fn what_is_left_knows_where_it_stood_and_what_may_be_a_consequence() {
        let value = json!({"release": {
            "steps": ["half", 10], "soak": {"hold_bakc": 1},
            "gates": [{"name": 1}, {"name": "a", "check": {"approval": {}}}, "smoke"],
        }});
        let stand_ins = [("service_id", json!("")), ("target", json!({"process": {"command": ["x"]}}))];
        let parsed = parse::<App>(&value, &[], &stand_ins);
        let app = parsed.value.as_ref().unwrap();
        assert_eq!((app.release.steps.len(), app.release.gates.len()), (1, 3));
        let told: Vec<_> = parsed.findings.iter().map(|finding| finding.pointer.as_str()).collect();
        let expected = [
            "/release/steps/0",
            "/release/gates/0/name",
            "/release/gates/0",
            "/release/gates/2",
            "/release/soak/hold_bakc",
            "",
            "",
        ];
        assert_eq!(told.len(), expected.len(), "{:?}", parsed.findings);
        assert!(expected.iter().all(|place| told.contains(place)), "{:?}", parsed.findings);
        assert_eq!(parsed.place("/release/gates/1/check").as_deref(), Some("/release/gates/1/check"));
        assert_eq!(parsed.place("/release/soak/hold_back").as_deref(), Some("/release/soak/hold_back"));
        assert_eq!(parsed.place("/release/steps"), None, "a step was taken out");
        assert_eq!(parsed.place("/release/soak"), None, "what was taken out may be what is missed");
        assert_eq!(parsed.place("/release/gates").as_deref(), Some("/release/gates"), "no gate was");
        assert_eq!(parsed.place("/release/gates/0/name"), None, "it was made up");
        assert_eq!(parsed.place("/release/gates/2/when"), None, "so was this");
        assert_eq!(parsed.place("/target/process"), None, "it was put in");
    }

    #[test]
    fn what_is_right_is_read() {
        let listen = json!({"listen": ["127.0.0.1:1", "[::1]:2"]});
        let Parsed { value, findings, .. } = parse::<Settings>(&listen, &[], &[]);
        assert!(findings.is_empty());
        assert_eq!(value.unwrap().listen.0.len(), 2);
    }
}
