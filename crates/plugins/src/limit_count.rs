//! `limit-count`: so many requests of a key in a window of time (APISIX §4).
//!
//! A counter belongs to the resource that holds the configuration, to the configuration itself and to the key: a change
//! of anything else resets nothing, and neither does a new table. All threads of the process count together.

mod counters;
mod schema;
#[cfg(test)]
mod tests;
mod window;

use counters::Counters;
use foldhash::quality::FixedState;
use gateway::plugin::{Answer, Build, Context, FieldName, Flow, Phase, Plugin, PluginKind, Template};
use model::plugin::PluginInfo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;
use window::{Limit, Verdict, WindowType};

/// Name, order and configuration of the plugin.
pub const INFO: PluginInfo = PluginInfo::new("limit-count", 1_002, schema::schema, schema::check);

/// The plugin.
pub const KIND: PluginKind = PluginKind { info: INFO, compile: Some(compile) };

/// A configuration that the schema has accepted.
#[derive(Debug, Deserialize)]
struct Conf {
    count: Option<Value>,
    time_window: Option<Value>,
    #[serde(default)]
    window_type: WindowName,
    group: Option<String>,
    #[serde(default = "remote_addr")]
    key: String,
    #[serde(default)]
    key_type: KeyType,
    #[serde(default = "unavailable")]
    rejected_code: u16,
    rejected_msg: Option<String>,
    #[serde(default)]
    allow_degradation: bool,
    #[serde(default = "yes")]
    show_limit_quota_header: bool,
    rules: Option<Vec<RuleConf>>,
}

#[derive(Debug, Deserialize)]
struct RuleConf {
    count: Value,
    time_window: Value,
    key: String,
    header_prefix: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WindowName {
    #[default]
    Fixed,
    Sliding,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyType {
    #[default]
    Var,
    VarCombination,
    Constant,
}

/// An instance.
struct LimitCount {
    counters: Arc<Counters>,
    rules: Vec<Rule>,
    /// Whether `rules` came as a list: those that say nothing of a request are left out then.
    is_list: bool,
    window_type: WindowType,
    rejected: Arc<Answer>,
    /// What a request gets that cannot be judged; `None`: it passes.
    unjudged: Option<Arc<Answer>>,
    shows_quota: bool,
}

/// One limit.
struct Rule {
    scope: u64,
    key: Key,
    count: Amount,
    window_s: Amount,
    headers: [FieldName<'static>; 3],
}

/// By what requests are told apart.
enum Key {
    RemoteAddr,
    ConsumerName,
    Variable(String),
    Combination(Template),
    Constant(String),
}

/// A number, or a text that is one once its variables are known.
enum Amount {
    Number(u64),
    Template(Template),
}

fn compile(conf: &Value, build: &mut Build<'_>) -> Result<Box<dyn Plugin>, String> {
    schema::check(conf)?;
    let parsed: Conf = serde_json::from_value(conf.clone()).map_err(|error| error.to_string())?;
    let scope = scope(&parsed, conf, build);
    let is_list = parsed.rules.is_some();
    let rules = match &parsed.rules {
        Some(rules) => {
            rules.iter().zip(1..).map(|(rule, number)| Rule::of_list(rule, number, &scope)).collect()
        }
        None => vec![Rule::only(&parsed, &scope)?],
    };
    let most_keys = build.most_keys();
    let rejected = match &parsed.rejected_msg {
        Some(text) => Answer::json(parsed.rejected_code, &json!({"error_msg": text})),
        None => Answer::empty(parsed.rejected_code),
    };
    let rejected = rejected.for_quota(parsed.rejected_msg.as_deref().unwrap_or("rate limit exceeded"));
    let unjudged = Answer::json(500, &json!({"error_msg": "failed to limit count"}));
    Ok(Box::new(LimitCount {
        counters: build.shared(|| Counters::new(most_keys)),
        rules,
        is_list,
        window_type: match parsed.window_type {
            WindowName::Fixed => WindowType::Fixed,
            WindowName::Sliding => WindowType::Sliding,
        },
        rejected: Arc::new(rejected),
        unjudged: (!parsed.allow_degradation).then(|| Arc::new(unjudged)),
        shows_quota: parsed.show_limit_quota_header,
    }))
}

/// Whose counters they are: the group's, else this configuration's at this place.
fn scope(parsed: &Conf, conf: &Value, build: &Build<'_>) -> String {
    match &parsed.group {
        Some(group) => {
            let limits = (&parsed.count, &parsed.time_window, parsed.window_type, &parsed.rules);
            format!("group {group} {limits:?}")
        }
        None => {
            let mut conf = conf.clone();
            conf.sort_all_objects();
            format!("{} {conf}", build.resource_key())
        }
    }
}

impl Plugin for LimitCount {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::Access]
    }

    fn access<'r>(&'r self, request: &mut Context<'_, 'r>) -> Flow {
        let mut judged = false;
        for rule in &self.rules {
            let Some((limit, key)) = rule.of(request, self.window_type, self.is_list) else { continue };
            judged = true;
            let verdict = self.counters.take(rule.scope, key.as_bytes(), &limit, request.began());
            drop(key);
            if self.shows_quota {
                show(request, &rule.headers, &limit, &verdict);
            }
            if !verdict.passes {
                return Flow::Answer(Arc::clone(&self.rejected));
            }
        }
        match &self.unjudged {
            Some(answer) if !judged => Flow::Answer(Arc::clone(answer)),
            _ => Flow::Continue,
        }
    }
}

fn show<'r>(
    request: &mut Context<'_, 'r>,
    names: &'r [FieldName<'static>; 3],
    limit: &Limit,
    verdict: &Verdict,
) {
    let Some(answer) = request.answer() else { return };
    let [limit_name, remaining_name, reset_name] = names;
    answer.set(limit_name, limit.count);
    answer.set(remaining_name, verdict.remaining);
    answer.set(reset_name, verdict.reset_s);
}

impl Rule {
    fn only(conf: &Conf, scope: &str) -> Result<Rule, String> {
        let amount = |value: &Option<Value>, name: &str| {
            value.as_ref().map(Amount::parse).ok_or_else(|| format!("{name} is required"))
        };
        let key = match conf.key_type {
            KeyType::Var if conf.key == "remote_addr" => Key::RemoteAddr,
            KeyType::Var if conf.key == "consumer_name" => Key::ConsumerName,
            KeyType::Var => Key::Variable(conf.key.clone()),
            KeyType::VarCombination => Key::Combination(Template::parse(&conf.key)),
            KeyType::Constant => Key::Constant(conf.key.clone()),
        };
        Ok(Rule {
            scope: FixedState::default().hash_one(scope),
            key,
            count: amount(&conf.count, "count")?,
            window_s: amount(&conf.time_window, "time_window")?,
            headers: ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"].map(FieldName::from),
        })
    }

    fn of_list(rule: &RuleConf, number: usize, scope: &str) -> Rule {
        let prefix = rule.header_prefix.clone().unwrap_or_else(|| number.to_string());
        let header = |what: &str| FieldName::from(format!("X-{prefix}-RateLimit-{what}"));
        Rule {
            scope: FixedState::default().hash_one((scope, number)),
            key: Key::Combination(Template::parse(&rule.key)),
            count: Amount::parse(&rule.count),
            window_s: Amount::parse(&rule.time_window),
            headers: [header("Limit"), header("Remaining"), header("Reset")],
        }
    }

    /// The limit and the key of a request; `None`: the rule cannot say. One of a list says nothing of a request that
    /// has none of its key's variables.
    fn of<'q>(
        &'q self,
        request: &'q Context<'_, '_>,
        window_type: WindowType,
        is_list: bool,
    ) -> Option<(Limit, Cow<'q, str>)> {
        let count = self.count.of(request, schema::MAX_COUNT)?;
        let window_us = self.window_s.of(request, schema::MAX_WINDOW_S)?.saturating_mul(1_000_000);
        let key = match self.key.of(request) {
            None if is_list => return None,
            // As in APISIX: what has no key is told apart by its address.
            key => key.unwrap_or(Cow::Borrowed(request.client_text())),
        };
        Some((Limit { count, window_us, window_type }, key))
    }
}

impl Key {
    fn of<'q>(&'q self, request: &'q Context<'_, '_>) -> Option<Cow<'q, str>> {
        match self {
            Key::RemoteAddr => Some(Cow::Borrowed(request.client_text())),
            Key::ConsumerName => Some(Cow::Borrowed(request.identity()?.consumer.username())),
            Key::Variable(name) => request.variable(name),
            Key::Combination(template) => {
                let (filled, found) = template.fill(|name| request.variable(name));
                (found > 0).then_some(Cow::Owned(filled))
            }
            Key::Constant(text) => Some(Cow::Borrowed(text)),
        }
    }
}

impl Amount {
    fn parse(value: &Value) -> Amount {
        match value {
            Value::String(text) => Amount::Template(Template::parse(text)),
            number => Amount::Number(
                model::upstream::as_integer(number).and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            ),
        }
    }

    /// From 1 to `most`; `None`: it is no such number.
    fn of(&self, request: &Context<'_, '_>, most: u64) -> Option<u64> {
        let number = match self {
            Amount::Number(number) => *number,
            Amount::Template(template) => {
                template.fill(|name| request.variable(name)).0.trim().parse().ok()?
            }
        };
        (1..=most).contains(&number).then_some(number)
    }
}

fn remote_addr() -> String {
    "remote_addr".to_owned()
}

fn unavailable() -> u16 {
    503
}

fn yes() -> bool {
    true
}
