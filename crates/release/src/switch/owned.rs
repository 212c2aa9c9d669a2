//! The fields that a release owns of a service, for each position of the traffic. Pure.

use crate::plan::{Component, Plan, PlannedPreview, shadow_rule};
use model::colour::upstream_id;
use model::overlay::Owned;
use model::policy::AnswerCheck;
use model::traffic_split::{AnswersRule, CheckRule, EXTENSION, Extension, HoldRule, IdentityRule};
use serde_json::{Value, json};
use std::fmt;

/// Where the traffic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// As it was before the release.
    Before,
    /// This many percent of user traffic on the new version, and the preview.
    Share(u8),
    /// The step of this share in a rehearsal: none of it is the new version's, the guard is armed, and the preview holds.
    Rehearsed(u8),
    /// The same as a share, and requests wait.
    Held {
        /// Percent of user traffic on the new version.
        share: u8,
        /// The hold's number within the release.
        number: u32,
    },
    /// No user on the new version yet; live requests are copied to it for a gate, and the preview.
    Copied {
        /// The gate's place in the plan's list.
        gate: usize,
        /// The number of the copies within the release.
        number: u32,
    },
    /// All on the new version, which is the default; no split.
    Committed,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Before => f.write_str("before-image"),
            Position::Share(share) => write!(f, "share-{share}"),
            Position::Held { share, number } => write!(f, "share-{share}-hold-{number}"),
            Position::Rehearsed(share) => write!(f, "rehearsed-{share}"),
            Position::Copied { number, .. } => write!(f, "copied-{number}"),
            Position::Committed => f.write_str("committed"),
        }
    }
}

/// The owned fields at a position.
///
/// The rules are what a person would write with `curl` (seed 002): first the preview, if there is one, then the
/// shares by `upstream_id`; while both colours have a share, that rule also says how users are assigned
/// ([`model::traffic_split::Extension`]). Until the commit the default upstream stays what it was, so that removing the
/// plugin is enough to be back.
#[must_use]
pub fn owned_at(plan: &Plan, component: &Component, position: Position) -> Owned {
    let before = &component.before.owned;
    match position {
        Position::Before => before.clone(),
        Position::Committed => Owned {
            upstream_id: Some(Value::from(upstream_id(&component.app, component.new.colour))),
            upstream: None,
            traffic_split: None,
        },
        Position::Share(share) => {
            let shares =
                (share > 0).then(|| share_rule(share, component, &extension_at(plan, component, share)));
            with_rules(plan, component, shares)
        }
        Position::Rehearsed(share) => with_rules(plan, component, rehearsed_rule(plan, component, share)),
        Position::Held { share, number } => {
            let extension =
                Extension { hold: hold_rule(plan, number), ..extension_at(plan, component, share) };
            with_rules(plan, component, Some(share_rule(share, component, &extension)))
        }
        Position::Copied { gate, number } => {
            let extension =
                Extension { shadow: shadow_rule(plan, component, gate, number), ..Extension::default() };
            with_rules(plan, component, Some(share_rule(0, component, &extension)))
        }
    }
}

fn with_rules(plan: &Plan, component: &Component, shares: Option<Value>) -> Owned {
    let preview = preview_of(plan, component);
    let rules: Vec<Value> = preview.into_iter().chain(shares).collect();
    let traffic_split = (!rules.is_empty()).then(|| json!({ "rules": rules }));
    Owned { traffic_split, ..component.before.owned.clone() }
}

/// By what the gateways know a hold.
#[must_use]
pub fn hold_id(plan: &Plan, number: u32) -> String {
    format!("{}#{number}", plan.release)
}

fn hold_rule(plan: &Plan, number: u32) -> Option<HoldRule> {
    let hold = plan.hold.as_ref()?;
    Some(HoldRule {
        id: hold_id(plan, number),
        requests: hold.requests,
        budget_ms: hold.budget_ms,
        max_requests: hold.max_requests,
        max_bytes: hold.max_bytes,
    })
}

/// The rules by which a release shows its new version to those who hold its secret, before any user gets there.
#[must_use]
pub fn preview_rules(plan: &Plan) -> Vec<Value> {
    plan.components.iter().filter_map(|component| preview_of(plan, component)).collect()
}

fn preview_of(plan: &Plan, component: &Component) -> Option<Value> {
    Some(preview_rule(plan.preview.as_ref()?, component, identity_rule(plan, component)))
}

/// Who has which colour is a question only while both have a share; the guard is armed as soon as the new one has.
fn extension_at(plan: &Plan, component: &Component, share: u8) -> Extension {
    let of_users = if (1..100).contains(&share) { plan.assignment.clone() } else { Extension::default() };
    let guard = plan.guard.as_ref().and_then(|guard| guard.at(share, plan.soak.share()));
    Extension { guard, answers: answers_rule(plan, component), ..of_users }
}

/// What is asked of the answers of both versions.
fn answers_rule(plan: &Plan, component: &Component) -> Option<AnswersRule> {
    let rule = |check: &AnswerCheck| {
        let AnswerCheck { name, header, json, fails_if } = check.clone();
        CheckRule { name, header, json, fails_if }
    };
    let identity = identity_rule(plan, component);
    let answers = AnswersRule { checks: plan.checks.iter().map(rule).collect(), identity };
    (answers != AnswersRule::default()).then_some(answers)
}

/// Which versions the answers must come from.
fn identity_rule(plan: &Plan, component: &Component) -> Option<IdentityRule> {
    let header = plan.identity.as_ref()?.header.clone();
    let old = component.old.as_ref().filter(|old| old.is_known());
    let old = old.map(|old| (upstream_id(&component.app, old.colour), old.version.clone()));
    let new = &component.new;
    let new = (upstream_id(&component.app, new.colour), new.version.clone());
    Some(IdentityRule { header, versions: old.into_iter().chain([new]).collect() })
}

/// The write of a step that users do not notice: the old version's weight is the share, so that each step is a write of
/// its own, and it is all that there is. A rule without an old side would send everyone to the new one.
fn rehearsed_rule(plan: &Plan, component: &Component, share: u8) -> Option<Value> {
    let guard = plan.guard.as_ref().and_then(|guard| guard.at(share, plan.soak.share()));
    let extension = Extension { guard, answers: answers_rule(plan, component), ..Extension::default() };
    component.has_way_back().then(|| weighted_rule((0, share.max(1)), component, &extension))
}

fn share_rule(share: u8, component: &Component, extension: &Extension) -> Value {
    weighted_rule((share, 100u8.saturating_sub(share)), component, extension)
}

/// The rule of the shares with the weights of the new version and of the old one.
fn weighted_rule((share, rest): (u8, u8), component: &Component, extension: &Extension) -> Value {
    let new = upstream_id(&component.app, component.new.colour);
    let mut choices = vec![json!({"upstream_id": new, "weight": share})];
    match &component.old {
        Some(old) => {
            choices.push(json!({"upstream_id": upstream_id(&component.app, old.colour), "weight": rest}));
        }
        // Without a colour the old side is the service's own upstream.
        None if component.has_way_back() => choices.push(json!({ "weight": rest })),
        None => {}
    }
    let mut rule = json!({ "weighted_upstreams": choices });
    extend(&mut rule, extension);
    rule
}

/// Adds what is ours to a rule.
fn extend(rule: &mut Value, extension: &Extension) {
    if let (Some(extension), Some(rule)) = (extension.to_value(), rule.as_object_mut()) {
        rule.insert(EXTENSION.to_owned(), extension);
    }
}

fn preview_rule(preview: &PlannedPreview, component: &Component, identity: Option<IdentityRule>) -> Value {
    let token = preview.token.reveal();
    let mut matches = Vec::new();
    if !preview.rule.header.is_empty() {
        let variable = format!("http_{}", preview.rule.header.to_lowercase().replace('-', "_"));
        matches.push(json!({"vars": [[variable, "==", token]]}));
    }
    if !preview.rule.cookie.is_empty() {
        matches.push(json!({"vars": [[format!("cookie_{}", preview.rule.cookie), "==", token]]}));
    }
    if !preview.rule.addresses.is_empty() {
        matches.push(json!({"vars": [["remote_addr", "ipmatch", preview.rule.addresses]]}));
    }
    let new = upstream_id(&component.app, component.new.colour);
    let mut rule = json!({"match": matches, "weighted_upstreams": [{"upstream_id": new, "weight": 1}]});
    // Who previews it is told by the right version, too; the checks of the business are about users.
    let answers = identity.map(|identity| AnswersRule { identity: Some(identity), ..AnswersRule::default() });
    extend(&mut rule, &Extension { answers, ..Extension::default() });
    rule
}

/// How owned fields differ from what should hold, in words; the preview's token never shows. `None`: they do not.
#[must_use]
pub fn difference(plan: &Plan, should: &Owned, is: &Owned) -> Option<String> {
    let fields = [
        ("upstream_id", &should.upstream_id, &is.upstream_id),
        ("upstream", &should.upstream, &is.upstream),
        ("plugins.traffic-split", &should.traffic_split, &is.traffic_split),
    ];
    let words: Vec<String> = fields
        .into_iter()
        .filter(|(_, should, is)| should != is)
        .map(|(field, should, is)| format!("{field}: {} became {}", shown(plan, should), shown(plan, is)))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn shown(plan: &Plan, value: &Option<Value>) -> String {
    const MAX_CHARACTERS: usize = 600;
    let Some(value) = value else { return "(absent)".to_owned() };
    let mut text = value.to_string();
    if let Some(preview) = &plan.preview {
        text = text.replace(preview.token.reveal(), "(secret)");
    }
    if text.chars().count() > MAX_CHARACTERS {
        text = text.chars().take(MAX_CHARACTERS).chain("...".chars()).collect();
    }
    text
}
