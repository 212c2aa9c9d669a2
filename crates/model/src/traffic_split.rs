//! The configuration of the `traffic-split` plugin in typed form (APISIX §2.1).

mod answers;
mod extension;
mod guard;
mod json_path;
mod shadow;

pub use answers::{AnswersRule, CheckRule, IdentityRule};
pub use extension::{EXTENSION, Extension, HoldRule, StickyRule};
pub(crate) use extension::{MAX_TEXT, is_token};
pub use guard::GuardRule;
pub(crate) use guard::MAX_HANG_REQUESTS;
pub use json_path::{JsonPath, JsonStep, write_step};
pub use shadow::{SAFE_METHODS, ShadowRule};

use crate::expr::{Expr, ExprError};
use crate::upstream::{Upstream, as_integer, id_text};
use serde_json::Value;

/// The plugin's name.
pub const NAME: &str = "traffic-split";

/// The rules, in order; the first whose match passes decides.
#[derive(Clone, Debug)]
pub struct TrafficSplit {
    /// `None` when the configuration has no `rules` at all: the plugin then does nothing.
    pub rules: Option<Vec<Rule>>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `None`: matches everything. An empty list leaves the verdict of the rule before (APISIX §2.2).
    pub matches: Option<Vec<Expr>>,
    /// The choices.
    pub weighted_upstreams: Vec<WeightedUpstream>,
    /// What Tealgate adds to it, as far as this version can read it.
    pub extension: Extension,
    /// What of that is left out, and why.
    pub left_out: Vec<String>,
}

/// One choice of a rule.
#[derive(Clone, Debug)]
pub struct WeightedUpstream {
    /// Where the requests go.
    pub choice: Choice,
    /// Its share, 0 or more.
    pub weight: u32,
}

/// Where a weighted upstream points.
#[derive(Clone, Debug)]
pub enum Choice {
    /// An upstream resource.
    ById(String),
    /// An upstream written in place.
    Inline(Box<Upstream>),
    /// The upstream of the route or its service.
    Default,
}

impl TrafficSplit {
    /// Reads a configuration that the plugin's schema has accepted.
    ///
    /// # Errors
    /// When a `match` holds no valid expression; the text is APISIX's.
    pub fn from_value(value: &Value) -> Result<TrafficSplit, ExprError> {
        let Some(rules) = value.get("rules").and_then(Value::as_array) else {
            return Ok(TrafficSplit { rules: None });
        };
        Ok(TrafficSplit { rules: Some(rules.iter().map(rule).collect::<Result<_, _>>()?) })
    }
}

fn rule(value: &Value) -> Result<Rule, ExprError> {
    let matches = value.get("match").and_then(Value::as_array).map(|list| {
        list.iter()
            .map(|entry| Expr::parse(entry.get("vars").unwrap_or(&Value::Null)))
            .collect::<Result<_, _>>()
    });
    let weighted_upstreams = match value.get("weighted_upstreams").and_then(Value::as_array) {
        Some(list) => list.iter().map(weighted_upstream).collect(),
        None => vec![WeightedUpstream { choice: Choice::Default, weight: 1 }],
    };
    let (extension, left_out) = Extension::readable(value);
    Ok(Rule { matches: matches.transpose()?, weighted_upstreams, extension, left_out })
}

fn weighted_upstream(value: &Value) -> WeightedUpstream {
    let choice = match (value.get("upstream_id"), value.get("upstream")) {
        (_, Some(inline)) => Choice::Inline(Box::new(Upstream::from_value(inline, true))),
        (Some(id), None) => Choice::ById(id_text(Some(id))),
        (None, None) => Choice::Default,
    };
    let weight = value.get("weight").and_then(as_integer).and_then(|weight| u32::try_from(weight).ok());
    WeightedUpstream { choice, weight: weight.unwrap_or(1) }
}
