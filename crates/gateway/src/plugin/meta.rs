//! From a resource's `plugins` to steps: each configuration compiled, and what `_meta` says of it (APISIX §1.7, §3.3).

use super::plan::{ErrorResponse, Step};
use super::{Answer, Build, Configured, Context, Flow, Phase, Plugin, PluginKind, Shared};
use model::expr::Expr;
use model::expr::eval::Matcher;
use model::resource::Resource;
use model::traffic_split;
use model::upstream::as_integer;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Compiles what `plugins` of `owner` configures. What cannot run is a problem, and refuses the requests it was for.
pub(crate) fn configured(
    kinds: &[PluginKind],
    owner: &Resource,
    plugins: &Map<String, Value>,
    shared: &mut Shared,
) -> (Vec<Configured>, Vec<String>) {
    let mut problems = Vec::new();
    let mut build = Build { owner, shared };
    let configured = plugins.iter().filter(|(name, _)| *name != traffic_split::NAME).map(|(name, conf)| {
        let disabled = conf.pointer("/_meta/disable") == Some(&Value::Bool(true));
        let step = if disabled { Ok(None) } else { step(kinds, name, conf, &mut build) };
        let step = step.unwrap_or_else(|what| {
            problems.push(format!("plugin {name}: {what}; its requests get a 500"));
            Some(Unusable::step(name))
        });
        Configured { name: name.as_str().into(), step: step.map(Arc::new) }
    });
    (configured.collect(), problems)
}

/// The step of one configuration; `None` for a plugin that is a stage of its own.
fn step(
    kinds: &[PluginKind],
    name: &str,
    conf: &Value,
    build: &mut Build<'_>,
) -> Result<Option<Step>, String> {
    let kind = kinds.iter().find(|kind| kind.info.name == name).ok_or("there is no such plugin")?;
    let Some(compile) = kind.compile else { return Ok(None) };
    let meta = |key: &str| conf.get("_meta").and_then(|meta| meta.get(key));
    let filter = meta("filter").map(Expr::parse).transpose().map_err(|error| error.to_string())?;
    let priority = meta("priority").and_then(as_integer);
    // What a consumer says of a plugin that authenticates is a key, not a configuration that could run.
    let is_key = kind.info.auth.is_some() && build.is_of_consumer();
    Ok(Some(Step {
        name: kind.info.name,
        priority: priority.unwrap_or_else(|| i64::from(kind.info.priority)),
        authenticates: kind.info.auth.is_some(),
        filter: filter.as_ref().map(Matcher::compile),
        error_response: meta("error_response").map(error_response),
        plugin: if is_key { Box::new(Key) } else { compile(conf, build)? },
    }))
}

fn error_response(value: &Value) -> ErrorResponse {
    match value {
        Value::String(text) => {
            ErrorResponse { content_type: "text/plain; charset=utf-8", body: text.clone() }
        }
        other => ErrorResponse { content_type: "application/json", body: format!("{other}\n") },
    }
}

/// Stands for a key of a consumer.
struct Key;

impl Plugin for Key {
    fn phases(&self) -> &'static [Phase] {
        &[]
    }
}

/// Stands for a plugin that cannot run. Leaving it out could open what it guards.
struct Unusable(Arc<Answer>);

impl Unusable {
    fn step(name: &str) -> Step {
        let text = format!("plugin [{name}] cannot run");
        Step {
            name: "",
            priority: i64::MAX,
            authenticates: false,
            filter: None,
            error_response: None,
            plugin: Box::new(Unusable(Arc::new(Answer::json(500, &json!({"error_msg": text}))))),
        }
    }
}

impl Plugin for Unusable {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Rewrite]
    }

    fn rewrite<'r>(&'r self, _: &mut Context<'_, 'r>) -> Flow {
        Flow::Answer(Arc::clone(&self.0))
    }
}
