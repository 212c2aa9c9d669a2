//! Values that stand in for what is missing or unreadable, so that what is around it can be checked further. Pure.

use super::wording::Wording;
use serde_json::{Map, Value};

/// Deepest structure that is made up.
const MAX_DEPTH: usize = 16;
/// A text that nobody writes, and that may be an id.
const TEXT: &str = "stand-in";

impl Wording {
    /// The least value that can be read at a JSON pointer; `None`: nothing is known of what stands there.
    #[must_use]
    pub fn stand_in(&self, pointer: &str) -> Option<Value> {
        self.at(pointer).into_iter().find_map(|schema| self.least(schema, 0))
    }

    /// Whether what stands at a JSON pointer is always a mapping.
    #[must_use]
    pub fn is_mapping(&self, pointer: &str) -> bool {
        let known = self.at(pointer);
        let types: Vec<&Value> = known.iter().filter_map(|schema| schema.get("type")).collect();
        !types.is_empty() && types.iter().all(|one| one.as_str() == Some("object"))
    }

    fn least(&self, schema: &Map<String, Value>, depth: usize) -> Option<Value> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let constants = schema.get("enum").and_then(Value::as_array).and_then(|all| all.first());
        if let Some(value) = schema.get("default").or(schema.get("const")).or(constants) {
            return Some(value.clone());
        }
        if let Some(target) = self.referred(schema) {
            return self.least(target, depth + 1);
        }
        for several in ["anyOf", "oneOf"] {
            let alternatives = schema.get(several).and_then(Value::as_array);
            if let Some(alternatives) = alternatives {
                return alternatives.iter().find_map(|one| self.least(one.as_object()?, depth + 1));
            }
        }
        let name = match schema.get("type")? {
            Value::Array(several) => several.first()?,
            one => one,
        };
        Some(match name.as_str()? {
            "string" => TEXT.into(),
            "boolean" => false.into(),
            "array" => Value::Array(Vec::new()),
            "integer" | "number" => {
                let least = schema.get("minimum").filter(|least| least.as_f64() > Some(0.0));
                least.cloned().unwrap_or_else(|| 1.into())
            }
            "object" => Value::Object(self.least_mapping(schema, depth)?),
            _ => Value::Null,
        })
    }

    fn least_mapping(&self, schema: &Map<String, Value>, depth: usize) -> Option<Map<String, Value>> {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut mapping = Map::new();
        for name in required.filter_map(Value::as_str) {
            let property = schema.get("properties")?.get(name)?.as_object();
            // What may be anything is `true`.
            let value = property.map_or(Some(Value::Null), |property| match property.is_empty() {
                true => Some(Value::Null),
                false => self.least(property, depth + 1),
            })?;
            mapping.insert(name.to_owned(), value);
        }
        Some(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;

    #[test]
    fn what_stands_in_can_be_read_wherever_it_is_put() {
        let wording = Wording::of(schemars::schema_for!(App).to_value());
        let target = wording.stand_in("/target").unwrap();
        let gate = wording.stand_in("/release/gates/0").unwrap();
        let check = wording.stand_in("/release/checks/0").unwrap();
        let app = serde_json::json!({
            "service_id": "s", "target": target, "release": {"gates": [gate], "checks": [check]},
        });
        let read = serde_json::from_value::<App>(app.clone());
        assert!(read.is_ok(), "{app}: {read:?}");
        assert_eq!(wording.stand_in("/nobody/knows"), None);
    }

    #[test]
    fn a_list_item_that_may_be_a_number_is_no_mapping() {
        let wording = Wording::of(schemars::schema_for!(App).to_value());
        assert!(wording.is_mapping("/release/gates/3"));
        assert!(!wording.is_mapping("/release/steps/0") && !wording.is_mapping("/target/process/command/0"));
    }
}
