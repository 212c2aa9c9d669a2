//! The plugins of a route, a service, a consumer or a credential: known, and configured as their schema and their own check say.

use super::{CheckError, at, check_expression};
use crate::field::push_segment;
use crate::plugin::PluginInfo;
use crate::schema::{CompiledSchema, SchemaError};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What every plugin's configuration may hold under `_meta` (APISIX §1.7).
static META: LazyLock<CompiledSchema> = LazyLock::new(|| {
    CompiledSchema::new(&json!({
        "properties": {
            "_meta": {
                "type": "object",
                "properties": {
                    "disable": {"type": "boolean"},
                    "error_response": {"oneOf": [{"type": "string"}, {"type": "object"}]},
                    "priority": {"type": "integer"},
                    "filter": {"type": "array"},
                    "pre_function": {"type": "string"},
                },
                "additionalProperties": false,
            },
        },
    }))
});

/// Whose plugins are checked.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Owner {
    /// A route or a service.
    Gateway,
    /// A consumer: a plugin that authenticates is checked with what it says of a consumer.
    Consumer,
    /// A credential: as a consumer, and every plugin authenticates.
    Credential,
}

/// Compiled schemas by plugin. A plugin's schema never changes while the program runs, and one holds the whole
/// upstream schema, which is too much to compile for each write. The function tells apart two of one name.
type Compiled = HashMap<(&'static str, usize), Arc<CompiledSchema>>;
static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// Checks the `plugins` of a resource.
pub(super) fn check(owner: Owner, value: &Value, known: &[PluginInfo]) -> Result<(), CheckError> {
    let Some(plugins) = value.get("plugins").and_then(Value::as_object) else { return Ok(()) };
    for (name, conf) in plugins {
        let mut pointer = "/plugins".to_owned();
        push_segment(&mut pointer, name);
        let checked = check_one(owner, name, conf, known);
        checked.map_err(|error| of_consumer(owner, error).inside(&pointer))?;
        let authenticates = known.iter().any(|plugin| plugin.name == name && plugin.auth.is_some());
        if owner == Owner::Credential && !authenticates {
            return Err(at(&pointer, "only supports auth type plugins in consumer credential"));
        }
    }
    Ok(())
}

/// APISIX says whose plugins are wrong only of consumers and credentials.
fn of_consumer(owner: Owner, error: CheckError) -> CheckError {
    match owner {
        Owner::Gateway => error,
        _ => CheckError { text: format!("invalid plugins configuration: {}", error.text), ..error },
    }
}

fn check_one(owner: Owner, name: &str, conf: &Value, known: &[PluginInfo]) -> Result<(), CheckError> {
    let Some(plugin) = known.iter().find(|plugin| plugin.name == name) else {
        return Err(at("", format!("unknown plugin [{name}]")));
    };
    let auth = plugin.auth.filter(|_| owner != Owner::Gateway);
    if owner == Owner::Consumer && name == crate::traffic_split::NAME {
        let why = "a release could not see that it leads users past the shares: put it on the service";
        return Err(at("", format!("plugin {name} is not for consumers: {why}")));
    }
    if !conf.is_object() && conf.as_array().is_none_or(|list| !list.is_empty()) {
        return Err(at("", format!("invalid plugin conf {conf} for plugin [{name}]")));
    }
    let failed = |error: SchemaError| {
        at(&error.pointer, format!("failed to check the configuration of plugin {name} err: {}", error.text))
    };
    META.validate(conf).map_err(failed)?;
    let meta = conf.get("_meta");
    if let Some(filter) = meta.and_then(|meta| meta.get("filter")) {
        check_expression(filter, "/_meta/filter")?;
    }
    if meta.is_some_and(|meta| meta.get("pre_function").is_some()) {
        return Err(at("/_meta/pre_function", "`pre_function` is Lua, which this gateway does not run"));
    }
    if meta.and_then(|meta| meta.get("disable")) == Some(&Value::Bool(true)) {
        return Ok(());
    }
    let mut own = conf.clone();
    if let Some(own) = own.as_object_mut() {
        own.shift_remove("_meta");
    }
    if let Some(auth) = auth {
        return compiled(plugin.name, auth.schema).validate(&own).map_err(failed);
    }
    compiled(plugin.name, plugin.schema).validate(&own).map_err(failed)?;
    (plugin.check)(&own)
        .map_err(|text| at("", format!("failed to check the configuration of plugin {name} err: {text}")))
}

fn compiled(plugin: &'static str, schema: fn() -> Value) -> Arc<CompiledSchema> {
    let key = (plugin, schema as usize);
    let mut cache = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = cache.entry(key).or_insert_with(|| Arc::new(CompiledSchema::new(&schema())));
    Arc::clone(entry)
}
