//! From the claim to the last byte of the answer: nodes are tried, bodies stream, streams are tunnelled.

mod attempt;
mod body;
mod choice;
pub(crate) mod ends;
mod events;
mod farewell;
mod grpc;
mod handshake;
mod hash_key;
mod hearing;
mod http2;
mod leg;
mod pace;
mod pump;
mod trailers;
mod tunnel;
mod websocket;

use crate::claim::Claim;
use crate::client::{After, Client};
use crate::clock;
use crate::exchange::Failure;
use crate::health::Failed;
use crate::record::{Facts, micros};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::table::{NoNode, Target, Turn};
use crate::worker::Worker;
use attempt::{Attempt, TryError};
use body::Body;
use choice::choose;
pub(crate) use hash_key::hash_key;
use http1::Framing;
use model::upstream::{Protocol, Scheme};
use smallvec::SmallVec;
use std::time::Instant;

/// Forwards a request to a node of its upstream and the answer to the client.
///
/// A try that failed is repeated on another node of the *same* upstream (APISIX §2.5): always if nothing was sent; if
/// something was, only for idempotent methods whose body was kept. A pooled connection that turns out to be dead is
/// replaced by a new one to the same node under the same rule, without counting as a try.
pub(crate) async fn forward(
    worker: &Worker,
    client: &mut Client,
    request: &Request<'_>,
    claim: &Claim<'_>,
    facts: &mut Facts,
) -> Result<After, Failure> {
    let target = claim.target;
    check(worker, request, target)?;
    let mut body = Body::new(request, &worker.settings, target.protocol != Protocol::Http1);
    if let Some(shadow) = &facts.shadow {
        body.keep_in(shadow.body());
    }
    let mut tried = SmallVec::<[usize; 4]>::new();
    let mut failed = None;
    loop {
        let now = if tried.is_empty() { facts.claimed } else { clock::now() };
        let turn = Turn { thread: worker.thread, tried: &tried, now };
        let node = match choose(worker, target, &turn, |on, key| hash_key(request, claim.route, on, key)) {
            Ok(node) => node,
            Err(NoNode::UnknownBalancer) => return Err(Refusal::UnknownBalancer.into()),
            // What went wrong with the last node says more than that there is no other.
            Err(NoNode::Exhausted) => return Err(failed.unwrap_or(Refusal::NoNode).into()),
        };
        if !within_budget(worker, target, !tried.is_empty()) {
            return Err(failed.unwrap_or(Refusal::NoNode).into());
        }
        facts.node = Some(node);
        facts.tries = facts.tries.saturating_add(1);
        let open = target.open_at(worker.thread, node);
        let mut attempt = Attempt { worker, request, claim, node, body: &mut body, facts };
        let (refusal, sent) = match try_node(&mut attempt, client).await {
            Ok(after) => return Ok(after),
            Err(TryError::Final(failure)) => {
                if let (Failure::Refused(Refusal::BadAnswer(broken)), Some(node)) =
                    (&failure, target.nodes.get(node))
                {
                    target.complaint.about_answer(&node.authority, *broken, now_s(worker));
                }
                return Err(failure);
            }
            Err(TryError::Failed(refusal, sent)) => {
                count_failure(worker, target, node, &refusal, now);
                if let (Refusal::Connect(reason), Some(node)) = (&refusal, target.nodes.get(node)) {
                    target.complaint.about_ours(&node.authority, *reason, || now_s(worker));
                }
                (refusal, sent)
            }
            // An idle connection that was closed says nothing about the node.
            Err(TryError::Stale(refusal, sent)) => (refusal, sent),
        };
        drop(open);
        tried.push(node);
        let in_time = target.retry_timeout_ms == 0
            || micros(clock::now() - facts.claimed) < target.retry_timeout_ms.saturating_mul(1_000);
        let another = tried.len() <= target.retries as usize && tried.len() < target.nodes.len();
        if !(another && in_time && may_repeat(request, &body, sent)) {
            return Err(refusal.into());
        }
        failed = Some(refusal);
    }
}

/// Seconds since the Unix epoch.
fn now_s(worker: &Worker) -> i64 {
    worker.anchor.get().unix_us_of(clock::now()) / 1_000_000
}

/// Whether a try may be made: the first always, a further one if the upstream's budget has one left.
fn within_budget(worker: &Worker, target: &Target, retry: bool) -> bool {
    let Some(budget) = &target.budget else { return true };
    let tick = worker.timers.now();
    if !retry {
        budget.request(worker.thread, tick);
        return true;
    }
    let left = budget.spend(worker.thread, tick);
    if !left {
        worker.totals().retry_refused();
    }
    left
}

/// Counts a try against its node, where that is looked at.
fn count_failure(worker: &Worker, target: &Target, node: usize, refusal: &Refusal, began: Instant) {
    // Too many requests here say nothing about the node.
    if target.standing.is_some() && !matches!(refusal, Refusal::NoStream | Refusal::TooManyConnecting) {
        let timeout = matches!(refusal, Refusal::UpstreamTimeout(_));
        let failed = if timeout { Failed::Timeout } else { Failed::Tcp };
        let now = clock::now();
        target.failed(worker.thread, node, failed, micros(now - began), now);
    }
}

/// Tries a node: on a pooled connection, and if that was dead and the request may be repeated, on a new one.
async fn try_node(attempt: &mut Attempt<'_>, client: &mut Client) -> Result<After, TryError> {
    match attempt.run(client, true).await {
        Err(TryError::Stale(_, sent)) if may_repeat(attempt.request, attempt.body, sent) => {
            attempt.run(client, false).await
        }
        result => result,
    }
}

fn check(worker: &Worker, request: &Request<'_>, target: &Target) -> Result<(), Refusal> {
    if target.scheme == Scheme::Unsupported {
        return Err(Refusal::UnsupportedScheme);
    }
    let limit = worker.settings.max_body_bytes;
    match request.head.framing() {
        Framing::Length(length) if limit > 0 && length > limit => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}

/// Whether sending the request again cannot do its work twice. `sent`: some of it reached the wire.
fn may_repeat(request: &Request<'_>, body: &Body, sent: bool) -> bool {
    (request.is_idempotent() || !sent) && body.is_repeatable()
}
