//! From a JSON schema to rules.
//!
//! The dialect is draft 4 to 7 as far as api7/jsonschema and APISIX's schemas use it; there is no `$ref`.

use crate::pattern;
use regex::bytes::Regex;
use serde_json::{Map, Value};

/// One schema.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `true`: anything fits.
    Anything,
    /// `false`: nothing fits.
    Nothing,
    Rules(Box<Rules>),
}

/// What a value must satisfy, in the order in which it is checked.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) types: Vec<String>,
    pub(super) object: Option<ObjectRules>,
    pub(super) array: Option<ArrayRules>,
    pub(super) text: TextRules,
    pub(super) number: NumberRules,
    pub(super) values: Option<Vec<Value>>,
    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    /// The `required` lists of the alternatives of `any_of`, as its error text shows them.
    pub(super) any_of_required: String,
    pub(super) one_of: Vec<Node>,
    pub(super) condition: Option<Condition>,
    pub(super) not: Option<Node>,
    pub(super) format: Option<Format>,
    pub(super) constant: Option<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct ObjectRules {
    pub(super) properties: Vec<Property>,
    /// Required names that are no declared property.
    pub(super) required: Vec<String>,
    /// Dependencies of names that are no declared property.
    pub(super) dependencies: Vec<(String, Dependency)>,
    pub(super) patterns: Vec<(Pattern, Node)>,
    pub(super) additional: Additional,
    pub(super) min_properties: Option<usize>,
    pub(super) max_properties: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) node: Node,
    pub(super) required: bool,
    pub(super) dependency: Option<Dependency>,
    pub(super) default: Option<Value>,
}

#[derive(Clone, Debug)]
pub(super) enum Dependency {
    Names(Vec<String>),
    Schema(Node),
}

#[derive(Clone, Debug)]
pub(super) enum Additional {
    Allowed,
    Forbidden,
    Schema(Node),
}

#[derive(Clone, Debug)]
pub(super) struct ArrayRules {
    pub(super) items: Option<Node>,
    pub(super) min_items: Option<usize>,
    pub(super) max_items: Option<usize>,
    pub(super) unique: bool,
}

#[derive(Clone, Debug)]
pub(super) struct TextRules {
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<Pattern>,
}

#[derive(Clone, Debug)]
pub(super) struct NumberRules {
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: Option<f64>,
}

#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) premise: Node,
    pub(super) then: Option<Node>,
    pub(super) otherwise: Option<Node>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Ipv4,
    Ipv6,
}

/// A pattern and its source, which error texts show. One that does not compile matches nothing.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) source: String,
    regex: Option<Regex>,
}

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
    }
}

/// Keywords that are checked, and those that only inform.
const KNOWN: [&str; 34] = [
    "type",
    "properties",
    "required",
    "dependencies",
    "patternProperties",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "enum",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "then",
    "else",
    "not",
    "format",
    "const",
    "default",
    "title",
    "description",
    "encrypt_fields",
    "$comment",
];

/// Compiles a schema; `at` names its place in the defects.
pub(super) fn compile(schema: &Value, at: &str, defects: &mut Vec<String>) -> Node {
    match schema {
        Value::Bool(true) => Node::Anything,
        Value::Bool(false) => Node::Nothing,
        Value::Object(schema) => {
            let mut compiler = Compiler { schema, at, defects };
            Node::Rules(Box::new(compiler.rules()))
        }
        _ => {
            defects.push(format!("{at}: a schema is an object or a boolean"));
            Node::Nothing
        }
    }
}

struct Compiler<'a> {
    schema: &'a Map<String, Value>,
    at: &'a str,
    defects: &'a mut Vec<String>,
}

impl Compiler<'_> {
    fn rules(&mut self) -> Rules {
        for keyword in self.schema.keys() {
            if !KNOWN.contains(&keyword.as_str()) {
                self.defects.push(format!("{}: unknown keyword {keyword}", self.at));
            }
        }
        Rules {
            types: match self.schema.get("type") {
                Some(Value::String(name)) => vec![name.clone()],
                _ => self.names("type"),
            },
            object: self.object(),
            array: self.array(),
            text: TextRules {
                min_length: self.size("minLength"),
                max_length: self.size("maxLength"),
                pattern: self.text("pattern").map(|source| self.pattern(&source)),
            },
            number: NumberRules {
                minimum: self.number("minimum"),
                exclusive_minimum: self.number("exclusiveMinimum"),
                maximum: self.number("maximum"),
                exclusive_maximum: self.number("exclusiveMaximum"),
            },
            values: self.schema.get("enum").and_then(Value::as_array).cloned(),
            all_of: self.nodes("allOf"),
            any_of: self.nodes("anyOf"),
            any_of_required: self.any_of_required(),
            one_of: self.nodes("oneOf"),
            condition: self.node("if").map(|premise| Condition {
                premise,
                then: self.node("then"),
                otherwise: self.node("else"),
            }),
            not: self.node("not"),
            format: self.format(),
            constant: self.schema.get("const").cloned(),
        }
    }

    fn object(&mut self) -> Option<ObjectRules> {
        const KEYWORDS: [&str; 7] = [
            "properties",
            "additionalProperties",
            "patternProperties",
            "minProperties",
            "maxProperties",
            "dependencies",
            "required",
        ];
        if !KEYWORDS.iter().any(|keyword| self.schema.contains_key(*keyword)) {
            return None;
        }
        let required = self.names("required");
        let mut dependencies = self.dependencies();
        let mut properties = Vec::new();
        for (name, schema) in self.members("properties") {
            let dependency = dependencies.iter().position(|(key, _)| *key == name);
            properties.push(Property {
                node: self.child(&name, &schema),
                required: required.contains(&name),
                dependency: dependency.map(|index| dependencies.swap_remove(index).1),
                default: schema.get("default").filter(|default| !default.is_null()).cloned(),
                name,
            });
        }
        let declared = |name: &String| properties.iter().any(|property| property.name == *name);
        Some(ObjectRules {
            required: required.into_iter().filter(|name| !declared(name)).collect(),
            dependencies,
            patterns: self
                .members("patternProperties")
                .into_iter()
                .map(|(source, schema)| (self.pattern(&source), self.child(&source, &schema)))
                .collect(),
            additional: match self.schema.get("additionalProperties") {
                None | Some(Value::Bool(true)) => Additional::Allowed,
                Some(Value::Bool(false)) => Additional::Forbidden,
                Some(schema) => Additional::Schema(self.child("additionalProperties", schema)),
            },
            min_properties: self.size("minProperties"),
            max_properties: self.size("maxProperties"),
            properties,
        })
    }

    fn dependencies(&mut self) -> Vec<(String, Dependency)> {
        let members = self.members("dependencies");
        let compile = |(name, value): (String, Value)| {
            let dependency = match value.as_array() {
                Some(list) => Dependency::Names(texts(list)),
                None => Dependency::Schema(self.child(&name, &value)),
            };
            (name, dependency)
        };
        members.into_iter().map(compile).collect()
    }

    fn array(&mut self) -> Option<ArrayRules> {
        let rules = ArrayRules {
            items: self.node("items"),
            min_items: self.size("minItems"),
            max_items: self.size("maxItems"),
            unique: self.schema.get("uniqueItems") == Some(&Value::Bool(true)),
        };
        let says_something =
            rules.items.is_some() || rules.min_items.is_some() || rules.max_items.is_some() || rules.unique;
        says_something.then_some(rules)
    }

    fn any_of_required(&self) -> String {
        let lists: Vec<String> = self
            .schema
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|schema| schema.get("required"))
            .map(Value::to_string)
            .collect();
        if lists.is_empty() { String::new() } else { format!(": {}", lists.join(" or ")) }
    }

    fn format(&mut self) -> Option<Format> {
        match self.text("format")?.as_str() {
            "ipv4" => Some(Format::Ipv4),
            "ipv6" => Some(Format::Ipv6),
            other => {
                self.defects.push(format!("{}: unknown format {other}", self.at));
                None
            }
        }
    }

    fn pattern(&mut self, source: &str) -> Pattern {
        let regex = pattern::compile(source, false)
            .map_err(|error| self.defects.push(format!("{}: {error}", self.at)))
            .ok();
        Pattern { source: source.to_owned(), regex }
    }

    fn node(&mut self, keyword: &str) -> Option<Node> {
        let schema = self.schema.get(keyword)?;
        Some(self.child(keyword, schema))
    }

    fn nodes(&mut self, keyword: &str) -> Vec<Node> {
        let list = self.schema.get(keyword).and_then(Value::as_array);
        list.into_iter().flatten().map(|schema| self.child(keyword, schema)).collect()
    }

    fn child(&mut self, name: &str, schema: &Value) -> Node {
        let at = format!("{}/{name}", self.at);
        compile(schema, &at, self.defects)
    }

    fn members(&self, keyword: &str) -> Vec<(String, Value)> {
        let map = self.schema.get(keyword).and_then(Value::as_object);
        map.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn names(&self, keyword: &str) -> Vec<String> {
        self.schema.get(keyword).and_then(Value::as_array).map(|list| texts(list)).unwrap_or_default()
    }

    fn text(&self, keyword: &str) -> Option<String> {
        self.schema.get(keyword)?.as_str().map(str::to_owned)
    }

    fn size(&self, keyword: &str) -> Option<usize> {
        self.schema.get(keyword)?.as_u64().and_then(|size| usize::try_from(size).ok())
    }

    fn number(&self, keyword: &str) -> Option<f64> {
        self.schema.get(keyword)?.as_f64()
    }
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
