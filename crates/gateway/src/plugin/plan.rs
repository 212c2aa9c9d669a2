//! Which plugins run for a route, in which order; and what a consumer's own do to that.

use super::{Answer, Flow, Phase, Plugin};
use model::expr::eval::{Matcher, Variables};
use std::sync::Arc;

/// A plugin where it is configured, compiled.
pub(crate) struct Step {
    pub(super) name: &'static str,
    /// `_meta.priority`, else the plugin's own.
    pub(super) priority: i64,
    /// Whether it authenticates: a consumer's configuration of it says who the consumer is, and does not run.
    pub(super) authenticates: bool,
    /// `_meta.filter`: it runs only for requests that this passes.
    pub(super) filter: Option<Matcher>,
    /// `_meta.error_response`: what a refusal of it says instead.
    pub(super) error_response: Option<ErrorResponse>,
    pub(super) plugin: Box<dyn Plugin>,
}

/// `_meta.error_response`.
pub(super) struct ErrorResponse {
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// One entry of a resource's `plugins`; without a step if it is switched off.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(super) name: Box<str>,
    pub(super) step: Option<Arc<Step>>,
}

/// The plugins of a route or a consumer by phase, each in the order in which they run.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    configured: Box<[Box<str>]>,
    rewrite: Box<[Arc<Step>]>,
    access: Box<[Arc<Step>]>,
    answer: Box<[Arc<Step>]>,
    log: Box<[Arc<Step>]>,
}

impl Plan {
    /// The plan of what is configured at several places, the one that beats the others first (APISIX §3.4): a
    /// configuration of the same plugin further down does not count, not even if the first is switched off.
    pub(crate) fn merge(places: &[&[Configured]]) -> Plan {
        Plan::new(places, |_| true)
    }

    /// The plan of a consumer: a plugin that authenticates has said who it is, and does not run for it.
    pub(crate) fn of_consumer(configured: &[Configured]) -> Plan {
        Plan::new(&[configured], |step| !step.authenticates)
    }

    fn new(places: &[&[Configured]], runs: impl Fn(&Step) -> bool) -> Plan {
        let mut chosen: Vec<&Configured> = Vec::new();
        for configured in places.iter().flat_map(|place| place.iter()) {
            if !chosen.iter().any(|other| other.name == configured.name) {
                chosen.push(configured);
            }
        }
        let mut steps: Vec<&Arc<Step>> = chosen
            .iter()
            .filter_map(|configured| configured.step.as_ref())
            .filter(|step| runs(step))
            .collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.priority));
        let of = |phase: Phase| {
            steps
                .iter()
                .filter(|step| step.plugin.phases().contains(&phase))
                .map(|step| Arc::clone(step))
                .collect()
        };
        Plan {
            rewrite: of(Phase::Rewrite),
            access: of(Phase::Access),
            answer: of(Phase::Answer),
            log: of(Phase::Log),
            configured: chosen.into_iter().map(|configured| configured.name.clone()).collect(),
        }
    }

    /// Whether no plugin acts.
    pub(crate) fn is_empty(&self) -> bool {
        self.rewrite.is_empty() && self.access.is_empty() && self.answer.is_empty() && self.log.is_empty()
    }

    /// The names of the plugins that it is made of, also of those that do nothing.
    pub(crate) fn configured(&self) -> &[Box<str>] {
        &self.configured
    }

    fn of(&self, phase: Phase) -> &[Arc<Step>] {
        match phase {
            Phase::Rewrite => &self.rewrite,
            Phase::Access => &self.access,
            Phase::Answer => &self.answer,
            Phase::Log => &self.log,
        }
    }

    fn configures(&self, name: &str) -> bool {
        self.configured.iter().any(|configured| **configured == *name)
    }

    /// What runs in a phase for a request of the route whose plan this is: a consumer's plugins take the place of the
    /// route's.
    pub(crate) fn steps<'p>(
        &'p self,
        consumer: Option<&'p Plan>,
        phase: Phase,
    ) -> impl Iterator<Item = &'p Step> + use<'p> {
        let beaten = move |step: &&Arc<Step>| consumer.is_some_and(|plan| plan.configures(step.name));
        let theirs = consumer.map_or(&[][..], |plan| plan.of(phase));
        let mut own = self.of(phase).iter().filter(move |step| !beaten(step)).peekable();
        let mut theirs = theirs.iter().peekable();
        std::iter::from_fn(move || {
            let first = match (own.peek(), theirs.peek()) {
                (Some(one), Some(other)) if other.priority > one.priority => theirs.next(),
                (Some(_), _) => own.next(),
                (None, _) => theirs.next(),
            };
            first.map(|step| &**step)
        })
    }

    /// What of a consumer's plan is new to a route: it is rewritten by once the consumer is known (APISIX §3.3).
    pub(crate) fn rewrite_of_consumer<'p>(&'p self, consumer: &'p Plan) -> impl Iterator<Item = &'p Step> {
        let new = |step: &&Arc<Step>| !self.configures(step.name);
        consumer.rewrite.iter().filter(new).map(|step| &**step)
    }
}

impl Step {
    /// Whether it runs for a request.
    pub(super) fn applies<V: Variables>(&self, variables: &V) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(variables))
    }

    /// The answer that it ends the request with, if it does.
    pub(super) fn ended(&self, flow: Flow) -> Option<Arc<Answer>> {
        let Flow::Answer(answer) = flow else { return None };
        match &self.error_response {
            Some(instead) if answer.status >= 400 => Some(Arc::new(Answer {
                content_type: instead.content_type,
                body: instead.body.clone(),
                ..(*answer).clone()
            })),
            _ => Some(answer),
        }
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
