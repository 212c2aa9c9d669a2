//! One request from its head to its record: the stages of the request path, in order.

use crate::claim::Claim;
use crate::client::{After, Client};
use crate::forward;
use crate::record::{Facts, record};
use crate::refusal::Refusal;
use crate::request::{Connection, Request};
use crate::respond;
use crate::table::{Route, Table};
use crate::vars::RequestVariables;
use crate::worker::Worker;
use http1::{Framing, RequestHead};
use model::record::Ending;
use std::sync::Arc;
use std::time::Instant;

/// Why a request did not get its whole answer from an upstream.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent to the client yet: the gate answers.
    Refused(Refusal),
    /// The answer had begun and broke off.
    CutShort,
    /// The client went away.
    ClientLeft,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

/// Serves one request whose head is complete.
pub(crate) async fn serve(
    worker: &Worker,
    client: &mut Client,
    head: &RequestHead,
    connection: &Connection,
    began: Instant,
) -> After {
    let mut facts = Facts::new(began);
    // Read: the path is normalised once; what is matched is what is forwarded.
    let request = match Request::new(head, connection) {
        Ok(request) => request,
        Err(error) => {
            worker.totals().bad_request();
            respond::refuse_connection(worker, client, &error.into()).await;
            return After::Close;
        }
    };
    // Match: under the current table, which stays this request's for all but the colour.
    let table = worker.table();
    let matched = find(&table, &request);
    // Claim: the split decides the colour, and its counters begin.
    let claim = matched.and_then(|place| Claim::new(worker, &table, place, &request));
    // Forward: to a node of the upstream, with retries, both bodies streaming.
    let result = match &claim {
        Ok(claim) => forward::forward(worker, client, &request, claim, &mut facts).await,
        Err(_) => Ok(After::KeepAlive),
    };
    // Respond: what could not be answered by an upstream is answered by the gate.
    let (claim, result) = match claim {
        Ok(claim) => (Some(claim), result),
        Err(refusal) => (None, Err(refusal.into())),
    };
    let after = match result {
        Ok(after) => after,
        Err(Failure::Refused(refusal)) => refuse(worker, client, &request, &refusal, &mut facts).await,
        Err(Failure::CutShort) => {
            facts.ending = Ending::CutShort;
            After::Gone
        }
        Err(Failure::ClientLeft) => {
            facts.ending = Ending::ClientLeft;
            After::Gone
        }
    };
    // Record: exactly one ending for each request that was received.
    let route = matched_route(&table, claim.as_ref(), &request);
    record(worker, &request, claim.as_ref(), route.as_deref(), &facts);
    after
}

/// The route of a request.
fn find(table: &Table, request: &Request<'_>) -> Result<u32, Refusal> {
    let method = request.head.method();
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(Refusal::MethodNotAllowed);
    }
    let client = request.connection.peer.ip();
    let accepts = |route: &Route| {
        route.accepts(method, client)
            && route.vars.as_ref().is_none_or(|vars| vars.matches(&RequestVariables { request, route: None }))
    };
    table.find(request.host(), request.path(), accepts).ok_or(Refusal::RouteNotFound)
}

/// The route that a refused request belonged to, for its record.
fn matched_route(table: &Table, claim: Option<&Claim>, request: &Request<'_>) -> Option<Arc<Route>> {
    match claim {
        Some(_) => None,
        None => find(table, request).ok().and_then(|place| table.route(place).cloned()),
    }
}

async fn refuse(
    worker: &Worker,
    client: &mut Client,
    request: &Request<'_>,
    refusal: &Refusal,
    facts: &mut Facts,
) -> After {
    // A body that was not read leaves no place where the next request is known to begin.
    let at_end = request.head.framing() == Framing::None && facts.request_bytes == 0;
    let keep_alive = at_end && !refusal.closes() && request.head.keep_alive() && !worker.draining.get();
    let without_body = request.head.method() == "HEAD";
    facts.status = refusal.status();
    facts.by_gate = true;
    match respond::refuse(worker, client, refusal, keep_alive, without_body, request.head.version()).await {
        Ok(bytes) => {
            facts.response_bytes = bytes;
            if keep_alive { After::KeepAlive } else { After::Close }
        }
        Err(_) => {
            facts.ending = Ending::ClientLeft;
            After::Gone
        }
    }
}
