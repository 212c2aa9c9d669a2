//! The walk over a value: one method per group of keywords, in the order of api7/jsonschema.
//!
//! The depth of the walk is that of the schema. Only the comparison of whole values goes as deep as the value, which
//! serde_json bounds at 128 levels when it reads text.

use super::SchemaError;
use super::compile::{
    Additional, ArrayRules, Condition, Dependency, Format, Node, NumberRules, ObjectRules, Property, Rules,
    TextRules,
};
use super::lua::{canonical, is_empty_table, number, quote, type_name};
use crate::field::push_segment;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A violation on its way up: the path is collected from the inside out.
#[derive(Debug)]
pub(super) struct Violation {
    path: Vec<String>,
    text: String,
}

type Checked = Result<(), Violation>;

impl Violation {
    pub(super) fn into_error(self) -> SchemaError {
        let mut pointer = String::new();
        for segment in self.path.iter().rev() {
            push_segment(&mut pointer, segment);
        }
        SchemaError { pointer, text: self.text }
    }

    /// The same violation seen from the owner of `key`.
    fn inside(mut self, key: &str, text: impl FnOnce(String) -> String) -> Violation {
        self.path.push(key.to_owned());
        Violation { path: self.path, text: text(self.text) }
    }

    fn says(self, text: impl FnOnce(String) -> String) -> Violation {
        Violation { path: self.path, text: text(self.text) }
    }
}

fn fail<T>(text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { path: Vec::new(), text: text.into() })
}

impl Node {
    pub(super) fn check(&self, value: &mut Value) -> Checked {
        match self {
            Node::Anything => Ok(()),
            Node::Nothing => fail("expect false always"),
            Node::Rules(rules) => rules.check(value),
        }
    }
}

impl Rules {
    fn check(&self, value: &mut Value) -> Checked {
        self.check_type(value)?;
        if let Some(object) = &self.object {
            if is_empty_table(value) && value.is_array() {
                *value = Value::Object(Map::new());
            }
            if value.is_object() {
                object.check(value)?;
            }
        }
        if let Some(array) = &self.array {
            array.check(value)?;
        }
        match value {
            Value::String(text) => self.text.check(text)?,
            Value::Number(number) => self.number.check(number.as_f64().unwrap_or(f64::NAN))?,
            _ => {}
        }
        self.check_values(value)?;
        self.check_alternatives(value)?;
        if let Some(condition) = &self.condition {
            condition.check(value)?;
        }
        if self.not.as_ref().is_some_and(|not| not.check(value).is_ok()) {
            return fail("value wasn't supposed to match schema");
        }
        self.check_format(value)?;
        match &self.constant {
            Some(constant) if canonical(constant) != canonical(value) => fail("failed to check const value"),
            _ => Ok(()),
        }
    }

    fn check_type(&self, value: &Value) -> Checked {
        if self.types.is_empty() || self.types.iter().any(|name| is_of_type(value, name)) {
            return Ok(());
        }
        let one_of = if self.types.len() > 1 { "one of " } else { "" };
        fail(format!("wrong type: expected {one_of}{}, got {}", self.types.join(", "), type_name(value)))
    }

    fn check_values(&self, value: &Value) -> Checked {
        let Some(values) = &self.values else { return Ok(()) };
        let wanted = canonical(value);
        if values.iter().any(|known| canonical(known) == wanted) {
            return Ok(());
        }
        fail("matches none of the enum values")
    }

    fn check_alternatives(&self, value: &mut Value) -> Checked {
        for (index, node) in self.all_of.iter().enumerate() {
            let place = index + 1;
            node.check(value).map_err(|inner| inner.says(|text| format!("allOf {place} failed: {text}")))?;
        }
        self.check_any_of(value)?;
        self.check_one_of(value)
    }

    fn check_any_of(&self, value: &mut Value) -> Checked {
        if self.any_of.is_empty() {
            return Ok(());
        }
        let mut path = Vec::new();
        for node in &self.any_of {
            match node.check(value) {
                Ok(()) => return Ok(()),
                Err(inner) => path = deeper(path, inner.path),
            }
        }
        Err(Violation { path, text: format!("object matches none of the required{}", self.any_of_required) })
    }

    fn check_one_of(&self, value: &mut Value) -> Checked {
        let mut matched = None;
        let mut path = Vec::new();
        for (index, node) in self.one_of.iter().enumerate() {
            match (node.check(value), matched) {
                (Ok(()), None) => matched = Some(index + 1),
                (Ok(()), Some(first)) => {
                    let second = index + 1;
                    return fail(format!(
                        "value should match only one schema, but matches both schemas {first} and {second}"
                    ));
                }
                (Err(inner), _) => path = deeper(path, inner.path),
            }
        }
        if self.one_of.is_empty() || matched.is_some() {
            return Ok(());
        }
        Err(Violation { path, text: "value should match only one schema, but matches none".to_owned() })
    }

    fn check_format(&self, value: &Value) -> Checked {
        let (Some(format), Value::String(text)) = (self.format, value) else { return Ok(()) };
        let (fits, name) = match format {
            Format::Ipv4 => (text.parse::<Ipv4Addr>().is_ok(), "ipv4"),
            Format::Ipv6 => (text.parse::<Ipv6Addr>().is_ok(), "ipv6"),
        };
        if fits { Ok(()) } else { fail(format!("expect valid {name} address but got: {text}")) }
    }
}

fn deeper(one: Vec<String>, other: Vec<String>) -> Vec<String> {
    if other.len() > one.len() { other } else { one }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object() || is_empty_table(value),
        "array" => value.is_array() || is_empty_table(value),
        "table" => value.is_object() || value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "null" => value.is_null(),
        _ => false,
    }
}

impl ObjectRules {
    fn check(&self, value: &mut Value) -> Checked {
        for property in &self.properties {
            property.check(value)?;
        }
        for name in &self.required {
            if value.get(name).is_none() {
                return fail(format!("property {} is required", quote(name)));
            }
        }
        for (name, dependency) in &self.dependencies {
            if value.get(name).is_some() {
                dependency.check(name, value)?;
            }
        }
        let Some(members) = value.as_object_mut() else { return Ok(()) };
        self.check_members(members)?;
        match (self.min_properties, self.max_properties) {
            (Some(min), _) if members.len() < min => {
                fail(format!("expect object to have at least {min} properties"))
            }
            (_, Some(max)) if members.len() > max => {
                fail(format!("expect object to have at most {max} properties"))
            }
            _ => Ok(()),
        }
    }

    fn check_members(&self, members: &mut Map<String, Value>) -> Checked {
        if self.patterns.is_empty() && matches!(self.additional, Additional::Allowed) {
            return Ok(());
        }
        for (key, item) in members.iter_mut() {
            let mut known = self.properties.iter().any(|property| property.name == *key);
            for (pattern, node) in &self.patterns {
                if pattern.matches(key) {
                    known = true;
                    node.check(item).map_err(|inner| {
                        inner.inside(key, |text| {
                            format!("failed to validate {key} (matching {}): {text}", quote(&pattern.source))
                        })
                    })?;
                }
            }
            match &self.additional {
                Additional::Forbidden if !known => {
                    let text = format!("additional properties forbidden, found {key}");
                    return Err(Violation { path: vec![key.clone()], text });
                }
                Additional::Schema(node) if !known => node.check(item).map_err(|inner| {
                    inner.inside(key, |text| format!("failed to validate additional property {key}: {text}"))
                })?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Property {
    fn check(&self, value: &mut Value) -> Checked {
        let Some(members) = value.as_object_mut() else { return Ok(()) };
        let Some(item) = members.get_mut(&self.name) else {
            if self.required {
                return fail(format!("property {} is required", quote(&self.name)));
            }
            if let Some(default) = &self.default {
                members.insert(self.name.clone(), default.clone());
            }
            return Ok(());
        };
        self.node.check(item).map_err(|inner| {
            inner.inside(&self.name, |text| {
                format!("property {} validation failed: {text}", quote(&self.name))
            })
        })?;
        self.dependency.as_ref().map_or(Ok(()), |dependency| dependency.check(&self.name, value))
    }
}

impl Dependency {
    fn check(&self, name: &str, value: &mut Value) -> Checked {
        match self {
            Dependency::Names(names) => match names.iter().find(|other| value.get(other).is_none()) {
                Some(missing) => {
                    fail(format!("property {} is required when {} is set", quote(missing), quote(name)))
                }
                None => Ok(()),
            },
            Dependency::Schema(node) => node.check(value).map_err(|inner| {
                inner.says(|text| format!("failed to validate dependent schema for {}: {text}", quote(name)))
            }),
        }
    }
}

impl ArrayRules {
    fn check(&self, value: &mut Value) -> Checked {
        let items: &mut [Value] = match value {
            Value::Array(items) => items,
            Value::Object(map) if map.is_empty() => &mut [],
            _ => return Ok(()),
        };
        match (self.min_items, self.max_items) {
            (Some(min), _) if items.len() < min => {
                return fail(format!("expect array to have at least {min} items"));
            }
            (_, Some(max)) if items.len() > max => {
                return fail(format!("expect array to have at most {max} items"));
            }
            _ => {}
        }
        if let Some(node) = &self.items {
            for (index, item) in items.iter_mut().enumerate() {
                node.check(item).map_err(|inner| {
                    inner.inside(&index.to_string(), |text| {
                        format!("failed to validate item {}: {text}", index + 1)
                    })
                })?;
            }
        }
        if self.unique { check_unique(items) } else { Ok(()) }
    }
}

/// Scalars first, then tables, as api7/jsonschema does; in linear time, for the list may be long.
fn check_unique(items: &[Value]) -> Checked {
    let is_table = |item: &Value| item.is_array() || item.is_object();
    for tables in [false, true] {
        let mut seen = HashMap::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| is_table(item) == tables) {
            if let Some(first) = seen.insert(canonical(item), index) {
                let text =
                    format!("expected unique items but items {} and {} are equal", first + 1, index + 1);
                return Err(Violation { path: vec![index.to_string()], text });
            }
        }
    }
    Ok(())
}

impl TextRules {
    fn check(&self, text: &str) -> Checked {
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = text.chars().count();
            match (self.min_length, self.max_length) {
                (Some(min), _) if length < min => {
                    return fail(format!("string too short, expected at least {min}, got {length}"));
                }
                (_, Some(max)) if length > max => {
                    return fail(format!("string too long, expected at most {max}, got {length}"));
                }
                _ => {}
            }
        }
        match &self.pattern {
            Some(pattern) if !pattern.matches(text) => {
                fail(format!("failed to match pattern {} with {}", quote(&pattern.source), quote(text)))
            }
            _ => Ok(()),
        }
    }
}

impl NumberRules {
    fn check(&self, value: f64) -> Checked {
        within(value, self.minimum, f64::ge, "at least")?;
        within(value, self.exclusive_minimum, f64::gt, "greater than")?;
        within(value, self.maximum, f64::le, "at most")?;
        within(value, self.exclusive_maximum, f64::lt, "smaller than")
    }
}

fn within(value: f64, bound: Option<f64>, holds: fn(&f64, &f64) -> bool, words: &str) -> Checked {
    match bound {
        Some(bound) if !holds(&value, &bound) => {
            fail(format!("expected {} to be {words} {}", number(value), number(bound)))
        }
        _ => Ok(()),
    }
}

impl Condition {
    fn check(&self, value: &mut Value) -> Checked {
        let (clause, name) =
            if self.premise.check(value).is_ok() { (&self.then, "then") } else { (&self.otherwise, "else") };
        match clause {
            Some(node) => {
                node.check(value).map_err(|inner| inner.says(|_| format!("{name} clause did not match")))
            }
            None => Ok(()),
        }
    }
}
