//! The plugins of one request: which run, and what they have done so far.

use super::edits::AnswerEdits;
use super::few::Few;
use super::{AnswerContext, Context, Edits, Phase, Plan};
use crate::clock::Anchor;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::table::{Identity, Route, Table};
use crate::vars::RequestVariables;
use http1::ResponseHead;
use model::record::RequestRecord;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Instant;

/// Variables that plugins have set, without an allocation.
const INLINE_VARIABLES: usize = 2;

/// What plugins have done to a request. Made only for routes that have some.
#[derive(Debug)]
pub(crate) struct Run<'r> {
    plan: &'r Plan,
    sender: Option<Sender<'r>>,
    /// Changes of the head that goes to the upstream.
    pub(super) forward: Edits<'r>,
    /// The query that goes to the upstream instead of the one that came.
    pub(super) query: Option<String>,
    /// The query argument whose value is a secret.
    pub(super) secret_argument: Option<&'r str>,
    /// Changes of the head that goes to the client, from before the claim.
    pub(super) answer: Edits<'r>,
    /// Further ones, from when the answer was there.
    late: RefCell<Edits<'static>>,
    /// Variables that plugins have set.
    pub(super) variables: Few<(&'static str, Cow<'r, str>), INLINE_VARIABLES>,
}

/// Who sends the request, and what of that is asked again once it has been answered: until then so many others came that
/// the consumer's own place in memory would have to be waited for.
#[derive(Debug)]
struct Sender<'r> {
    identity: Identity<'r>,
    /// `None`: it is too long to be copied for nothing, and counting who holds it would be a write that threads share.
    username: Option<SmolStr>,
    plan: &'r Plan,
}

impl<'r> Run<'r> {
    /// Who sends the request, and how that is known.
    pub(crate) fn identity(&self) -> Option<Identity<'r>> {
        self.sender.as_ref().map(|sender| sender.identity)
    }

    pub(super) fn set_identity(&mut self, identity: Identity<'r>) {
        let consumer = identity.consumer;
        let username = Some(consumer.name()).filter(|name| !name.is_heap_allocated()).cloned();
        self.sender = Some(Sender { identity, username, plan: consumer.plan() });
    }

    /// The name of the consumer that sends the request.
    pub(crate) fn consumer_name(&self) -> Option<&str> {
        let Sender { identity, username, .. } = self.sender.as_ref()?;
        Some(username.as_ref().map_or(identity.consumer.username(), SmolStr::as_str))
    }

    /// Changes of the head that goes to the upstream.
    pub(crate) fn forward(&self) -> &Edits<'r> {
        &self.forward
    }

    /// The query that goes to the upstream, if it is another than the one that came.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The query argument whose value is a secret.
    pub(crate) fn secret_argument(&self) -> Option<&'r str> {
        self.secret_argument
    }

    /// Changes of the head that goes to the client.
    pub(crate) fn answer(&self) -> AnswerEdits<'_> {
        AnswerEdits { early: &self.answer, late: self.late.borrow() }
    }

    /// A variable that a plugin has set.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(set, _)| *set == name).map(|(_, value)| value.as_ref())
    }

    fn consumer_plan(&self) -> Option<&'r Plan> {
        self.sender.as_ref().map(|sender| sender.plan)
    }
}

/// What plugins do before an upstream is claimed: rewrite, then with the consumer known what is only the consumer's,
/// then access (APISIX §3.3).
///
/// # Errors
/// When one of them answers.
pub(crate) fn before_claim<'r>(
    request: &mut Request<'r>,
    route: &'r Route,
    table: &'r Table,
    began: Instant,
    anchor: Anchor,
) -> Result<(), Refusal> {
    let plan = &route.plugins;
    request.run = Some(Box::new(Run {
        plan,
        sender: None,
        forward: Edits::default(),
        query: None,
        secret_argument: None,
        answer: Edits::default(),
        late: RefCell::default(),
        variables: Few::default(),
    }));
    let mut context = Context { request, route, table, began, anchor };
    for step in plan.steps(None, Phase::Rewrite) {
        if context.applies(step) {
            let flow = step.plugin.rewrite(&mut context);
            step.ended(flow).map_or(Ok(()), |answer| Err(Refusal::Plugin(answer)))?;
        }
    }
    let consumer = context.request.run.as_ref().and_then(|run| run.consumer_plan());
    for step in consumer.into_iter().flat_map(|consumer| plan.rewrite_of_consumer(consumer)) {
        if context.applies(step) {
            let flow = step.plugin.rewrite(&mut context);
            step.ended(flow).map_or(Ok(()), |answer| Err(Refusal::Plugin(answer)))?;
        }
    }
    for step in plan.steps(consumer, Phase::Access) {
        if context.applies(step) {
            let flow = step.plugin.access(&mut context);
            step.ended(flow).map_or(Ok(()), |answer| Err(Refusal::Plugin(answer)))?;
        }
    }
    Ok(())
}

/// What plugins do before the head of an answer is written. `upstream`: the head, if it is the upstream's.
pub(crate) fn answer_phase(request: &Request<'_>, status: u16, upstream: Option<&ResponseHead>) {
    let Some(run) = &request.run else { return };
    for step in run.plan.steps(run.consumer_plan(), Phase::Answer) {
        if step.applies(&RequestVariables { request, route: None }) {
            let mut edits = run.late.borrow_mut();
            step.plugin.answer(&mut AnswerContext { request, status, upstream, edits: &mut edits });
        }
    }
}

/// What plugins do after a request; `None`: none does anything.
pub(crate) fn log_phase<'q>(request: &'q Request<'q>) -> Option<impl FnOnce(&RequestRecord<'_>) + use<'q>> {
    let run = request.run.as_ref()?;
    let mut steps = run.plan.steps(run.consumer_plan(), Phase::Log).peekable();
    steps.peek()?;
    Some(move |record: &RequestRecord<'_>| {
        for step in steps.filter(|step| step.applies(&RequestVariables { request, route: None })) {
            step.plugin.log(record);
        }
    })
}
