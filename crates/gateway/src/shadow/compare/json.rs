//! JSON by its structure: numbers as numbers, objects whatever the order of their keys, arrays element by element.

use super::place::Place;
use super::{Comparison, Terms, shown};
use model::traffic_split::JsonStep;
use serde_json::{Map, Number, Value};
use telemetry::report::DifferenceKind;

/// Whether a text may have more than so many values. Each but the first is behind a comma or a bracket.
pub(super) fn has_more_values(text: &[u8], most: usize) -> bool {
    let before_values = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
    text.len() > most && text.iter().filter(before_values).nth(most).is_some()
}

/// Adds what differs between two values. They are as deep as the parser allows (128), so walking them is bounded.
pub(super) fn compare(live: &Value, other: &Value, terms: &Terms, found: &mut Comparison) {
    let mut walk = Walk { terms, found, place: Place::default() };
    walk.values(live, other);
}

struct Walk<'a, 'v> {
    terms: &'a Terms,
    found: &'a mut Comparison,
    place: Place<'v>,
}

impl<'v> Walk<'_, 'v> {
    fn values(&mut self, live: &'v Value, other: &'v Value) {
        match (live, other) {
            (Value::Object(one), Value::Object(two)) => self.objects(one, two),
            (Value::Array(one), Value::Array(two)) => self.arrays(one, two),
            (Value::Number(one), Value::Number(two)) if is_same_number(one, two) => {}
            (one, two) if one == two => {}
            (one, two) if kind(one) == kind(two) => self.add("value", one, two),
            (one, two) => self.add(&format!("{} → {}", kind(one), kind(two)), one, two),
        }
    }

    fn objects(&mut self, live: &'v Map<String, Value>, other: &'v Map<String, Value>) {
        for (key, one) in live {
            self.below(JsonStep::Key(key), |walk| match other.get(key) {
                Some(two) => walk.values(one, two),
                None => walk.add("missing", one, &Value::Null),
            });
        }
        for (key, two) in other.iter().filter(|(key, _)| !live.contains_key(*key)) {
            self.below(JsonStep::Key(key), |walk| walk.add("added", &Value::Null, two));
        }
    }

    fn arrays(&mut self, live: &'v [Value], other: &'v [Value]) {
        self.below(JsonStep::Element, |walk| {
            for (one, two) in live.iter().zip(other) {
                walk.values(one, two);
            }
            if let Some(one) = live.get(other.len()) {
                walk.add("missing", one, &Value::Null);
            }
            if let Some(two) = other.get(live.len()) {
                walk.add("added", &Value::Null, two);
            }
        });
    }

    /// Goes one step down, unless nothing is compared there.
    fn below(&mut self, step: JsonStep<'v>, look: impl FnOnce(&mut Self)) {
        self.place.push(step);
        if !self.terms.ignore.iter().any(|path| path.names(self.place.steps())) {
            look(self);
        }
        self.place.pop();
    }

    fn add(&mut self, what: &str, live: &Value, other: &Value) {
        let values = || {
            let text = |value: &Value| shown(&value.to_string());
            self.terms.shows_values.then(|| format!("{} → {}", text(live), text(other)))
        };
        let place = self.place.text();
        self.found.add(DifferenceKind::Body, place.into(), what.into(), values);
    }
}

/// 1 and 1.0 are the same number.
fn is_same_number(one: &Number, two: &Number) -> bool {
    one == two || (one.is_f64() || two.is_f64()) && one.as_f64() == two.as_f64()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
