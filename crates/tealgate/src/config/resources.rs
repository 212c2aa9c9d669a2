//! The resources of a file: lists of APISIX objects, each with an `id` (consumers with a `username`), and the apps.

use crate::config::document::Document;
use crate::config::mark::Position;
use crate::config::pem;
use crate::config::pointer::{is_within, split};
use crate::config::typed::{self, Finding};
use model::app::App;
use model::plugin::PluginInfo;
use model::resource::Kind;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

/// The collections that a file may hold.
pub const COLLECTIONS: [&str; 6] = ["routes", "services", "upstreams", "ssls", "consumers", "apps"];

/// Most errors that are looked for in one resource of the gateway.
const MAX_OF_ONE: usize = 20;

/// One resource of a file.
#[derive(Clone, PartialEq)]
pub struct FileResource {
    /// What it is.
    pub kind: Kind,
    /// Its id, as text.
    pub id: String,
    /// Its JSON, with `id` as text.
    pub value: Value,
    /// Where it stands in the file, as a JSON pointer.
    pub pointer: String,
    /// Where it stands in the file.
    pub position: Position,
}

/// Without its content: that may hold private keys.
impl fmt::Debug for FileResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileResource").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// The kind of resource that a top-level key holds.
#[must_use]
pub fn kind(collection: &str) -> Option<Kind> {
    Kind::from_collection(collection).filter(|_| COLLECTIONS.contains(&collection))
}

/// Reads all collections; what is wrong is added to the findings.
pub fn collect(
    collections: &Map<String, Value>,
    plugins: &[PluginInfo],
    document: &Document,
    base_dir: &Path,
    findings: &mut Vec<Finding>,
) -> Vec<FileResource> {
    let mut resources = Vec::new();
    let mut seen: HashMap<(Kind, String), usize> = HashMap::new();
    for (collection, items) in collections {
        let Some(kind) = kind(collection) else { continue };
        let Some(items) = items.as_array() else {
            let message = format!("must be a list: `{collection}:` and below it `- id: ...`");
            findings.push(Finding { pointer: format!("/{collection}"), message, hint: String::new() });
            continue;
        };
        for (index, item) in items.iter().enumerate() {
            let pointer = format!("/{collection}/{index}");
            let mut item = item.clone();
            pem::resolve(collection, &mut item, &pointer, base_dir, findings);
            check(kind, &item, &pointer, plugins, findings);
            let Some(id) = id(kind, &item, &pointer, findings) else { continue };
            let position = document.position(&pointer);
            let name = if kind == Kind::Consumer { "username" } else { "id" };
            if let Some(line) = seen.insert((kind, id.clone()), position.line) {
                findings.push(Finding {
                    pointer: format!("{pointer}/{name}"),
                    message: format!(
                        "the {name} `{id}` is already used by the {} at line {line}",
                        kind.singular()
                    ),
                    hint: format!("give each its own {name}"),
                });
            }
            let mut value = item;
            if let Some(object) = value.as_object_mut() {
                object.insert("id".to_owned(), Value::String(id.clone()));
            }
            resources.push(FileResource { kind, id, value, pointer, position });
        }
    }
    one_consumer_per_key(&resources, plugins, findings);
    resources
}

/// The key by which a consumer is found is nobody else's.
fn one_consumer_per_key(resources: &[FileResource], plugins: &[PluginInfo], findings: &mut Vec<Finding>) {
    let mut owners: HashMap<(&str, &str), &str> = HashMap::new();
    for consumer in resources.iter().filter(|resource| resource.kind == Kind::Consumer) {
        for (plugin, key) in model::consumer::keys(&consumer.value, plugins) {
            if let Some(owner) = owners.insert((plugin, key), &consumer.id) {
                findings.push(Finding {
                    pointer: format!("{}/plugins/{plugin}", consumer.pointer),
                    message: format!("the consumer `{owner}` has the same {plugin} key"),
                    hint: "give each consumer a key of its own".to_owned(),
                });
            }
        }
    }
}

/// The id as text, if there is one; a wrong one is a finding.
fn id(kind: Kind, item: &Value, pointer: &str, findings: &mut Vec<Finding>) -> Option<String> {
    if kind == Kind::Consumer {
        // A missing or wrong one is a finding of the schema.
        let username = item.get("username").and_then(Value::as_str)?;
        return model::check::is_username(username).then(|| username.to_owned());
    }
    let text = match item.get("id") {
        Some(Value::String(text)) => text.clone(),
        Some(number) => model::upstream::as_integer(number).map(|id| id.to_string()).unwrap_or_default(),
        None if item.is_object() => {
            let (message, hint) = (format!("this {} has no `id`", kind.singular()), "add `id: some-name`");
            findings.push(Finding { pointer: pointer.to_owned(), message, hint: hint.to_owned() });
            return None;
        }
        None => return None,
    };
    if !model::check::is_id(&text) {
        findings.push(Finding {
            pointer: format!("{pointer}/id"),
            message: "must be 1 to 64 letters, digits, `-`, `_` or `.`".to_owned(),
            hint: String::new(),
        });
        return None;
    }
    Some(text)
}

/// APISIX's texts for "either this or that" do not say which.
fn hint(kind: Kind, item: &Value) -> &'static str {
    let has = |key: &str| item.get(key).is_some();
    match kind {
        Kind::Route if has("uri") == has("uris") => "a route has either `uri` or `uris`",
        Kind::Ssl if has("sni") == has("snis") => "an ssl has either `sni` or `snis`",
        Kind::Upstream if !has("nodes") => "an upstream needs `nodes`, for example {\"127.0.0.1:8080\": 1}",
        _ => "",
    }
}

/// What is wrong with a resource of the gateway. APISIX's checks stop at the first error: what it is about is taken out, and the rest
/// is checked again, as long as what is found cannot come from that.
fn of_gateway(kind: Kind, item: &Value, plugins: &[PluginInfo]) -> Vec<Finding> {
    let mut rest = item.clone();
    let mut found: Vec<Finding> = Vec::new();
    while let Err(error) = model::check::check(kind, &rest, plugins) {
        let pointer = error.pointer.unwrap_or_default();
        if found.iter().any(|one| is_within(&one.pointer, &pointer)) {
            break;
        }
        let text = error.text.strip_prefix("invalid configuration: ").unwrap_or(&error.text);
        let hint = hint(kind, item).to_owned();
        found.push(Finding { pointer: pointer.clone(), message: text.to_owned(), hint });
        if found.len() >= MAX_OF_ONE || !remove_field(&mut rest, &pointer) {
            break;
        }
    }
    found
}

/// Takes a member of a mapping out. An item of a list is left: the places of those behind it would change.
fn remove_field(value: &mut Value, pointer: &str) -> bool {
    let Some((owner, name)) = split(pointer) else { return false };
    let owner = value.pointer_mut(owner).and_then(Value::as_object_mut);
    owner.is_some_and(|owner| owner.shift_remove(&name).is_some())
}

fn check(kind: Kind, item: &Value, pointer: &str, plugins: &[PluginInfo], findings: &mut Vec<Finding>) {
    let below = |at: String| format!("{pointer}{at}");
    if kind != Kind::App {
        let wrong = of_gateway(kind, item, plugins);
        if let (true, Err(error)) = (wrong.is_empty(), admin::pem::check(kind, item)) {
            let (pointer, message) = (below(error.pointer), error.text);
            findings.push(Finding { pointer, message, hint: String::new() });
        }
        // What could not be read of another file is of the wrong type, too.
        let known: HashSet<String> = findings.iter().map(|one| one.pointer.clone()).collect();
        let wrong = wrong.into_iter().map(|one| Finding { pointer: below(one.pointer), ..one });
        findings.extend(wrong.filter(|one| !known.contains(&one.pointer)));
        return;
    }
    let mut item = item.clone();
    if let Some(id) = item.get_mut("id").filter(|id| id.is_i64()) {
        *id = Value::String(id.to_string());
    }
    let stand_ins = [("service_id", json!("")), ("target", json!({"process": {"command": ["x"]}}))];
    let parsed = typed::parse::<App>(&item, &[], &stand_ins);
    for error in parsed.value.iter().flat_map(App::check) {
        let Some(place) = parsed.place(&error.pointer) else { continue };
        findings.push(Finding { pointer: below(place), message: error.text, hint: String::new() });
    }
    findings.extend(
        parsed.findings.into_iter().map(|finding| Finding { pointer: below(finding.pointer), ..finding }),
    );
}
