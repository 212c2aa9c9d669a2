//! From the claim to the last byte of the answer: nodes are tried, bodies stream, streams are tunnelled.

mod attempt;
mod body;
mod leg;
mod pump;
mod tunnel;
mod websocket;

use crate::claim::Claim;
use crate::client::{After, Client};
use crate::clock;
use crate::exchange::Failure;
use crate::record::{Facts, micros};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::table::{NoNode, Target};
use crate::vars::RequestVariables;
use crate::worker::Worker;
use attempt::{Attempt, TryError};
use body::Body;
use http1::Framing;
use model::expr::eval::{Variable, Variables};
use model::upstream::{HashOn, Scheme};
use smallvec::SmallVec;

/// Forwards a request to a node of its upstream and the answer to the client.
///
/// A try that failed is repeated on another node of the *same* upstream (APISIX §2.5): always if nothing was sent; if
/// something was, only for idempotent methods whose body was kept. A pooled connection that turns out to be dead is
/// replaced by a new one to the same node under the same rule, without counting as a try.
pub(crate) async fn forward(
    worker: &Worker,
    client: &mut Client,
    request: &Request<'_>,
    claim: &Claim,
    facts: &mut Facts,
) -> Result<After, Failure> {
    let target = claim.target()?;
    check(worker, request, target)?;
    let mut body = Body::new(request, worker.settings.replay_bytes);
    let mut tried = SmallVec::<[usize; 4]>::new();
    loop {
        let picked = target.pick(worker.thread, &tried, |on, key| hash_key(request, claim, on, key));
        let node = picked.map_err(|reason| match reason {
            NoNode::Exhausted => Refusal::NoNode,
            NoNode::UnknownBalancer => Refusal::UnknownBalancer,
        })?;
        facts.node = Some(node);
        facts.tries = facts.tries.saturating_add(1);
        let mut attempt = Attempt { worker, request, claim, target, node, body: &mut body, facts };
        let mut result = attempt.run(client, true).await;
        if let Err(TryError::Stale(sent)) = result {
            let again = may_repeat(request, attempt.body, sent);
            result = if again {
                attempt.run(client, false).await
            } else {
                Err(TryError::Failed(Refusal::UpstreamClosed, sent))
            };
        }
        let (refusal, sent) = match result {
            Ok(after) => return Ok(after),
            Err(TryError::Final(failure)) => return Err(failure),
            Err(TryError::Failed(refusal, sent)) => (refusal, sent),
            Err(TryError::Stale(sent)) => (Refusal::UpstreamClosed, sent),
        };
        tried.push(node);
        let in_time = target.retry_timeout_ms == 0
            || micros(clock::now() - facts.began) < target.retry_timeout_ms.saturating_mul(1_000);
        let another = tried.len() <= target.retries as usize && tried.len() < target.nodes.len();
        if !(another && in_time && may_repeat(request, &body, sent)) {
            return Err(refusal.into());
        }
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

/// The key of a consistent hash; the client's address where the named value is missing (APISIX §2.6).
fn hash_key(request: &Request<'_>, claim: &Claim, on: HashOn, key: &str) -> Vec<u8> {
    let variables = RequestVariables { request, route: claim.route().map(|route| &**route) };
    let text = |name: &str| match variables.get(name) {
        Some(Variable::Text(text)) => Some(text.into_owned()),
        Some(Variable::Bool(value)) => Some(value.to_string()),
        Some(Variable::Number(value)) => Some(value.to_string()),
        _ => None,
    };
    let value = match on {
        HashOn::Vars => text(key),
        HashOn::Header => text(&format!("http_{key}")),
        HashOn::Cookie => text(&format!("cookie_{key}")),
        HashOn::Consumer => None,
        HashOn::VarsCombinations => combine(key, &text),
    };
    value
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| request.connection.peer_text.clone())
        .into_bytes()
}

/// Replaces each `$name` of a combination; `None` if no name has a value.
fn combine(pattern: &str, text: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = pattern.split('$');
    let mut combined = parts.next().unwrap_or_default().to_owned();
    let mut found = false;
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        if let Some(value) = text(name) {
            found = true;
            combined.push_str(&value);
        }
        combined.push_str(rest);
    }
    found.then_some(combined)
}
