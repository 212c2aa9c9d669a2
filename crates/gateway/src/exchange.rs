//! One request from its head to its record: the stages of the request path, in order.

use crate::claim::Claim;
use crate::client::{After, Client};
use crate::clock;
use crate::examine;
use crate::forward;
use crate::grpc;
use crate::hold::{self, Passed};
use crate::plugin;
use crate::record::{Facts, Open, record};
use crate::refusal::Refusal;
use crate::request::{Connection, Request};
use crate::respond::{self, Asked};
use crate::shadow;
use crate::table::{Route, Table};
use crate::vars::RequestVariables;
use crate::worker::Worker;
use http1::RequestHead;
use model::reason::Reason;
use model::record::Ending;
use std::sync::Arc;
use telemetry::series::Series;

/// Why a request did not get its whole answer from an upstream.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent to the client yet: the gate answers.
    Refused(Refusal),
    /// The answer had begun and broke off.
    CutShort(Reason),
    /// Its colour is being drained, and the time for that is over.
    Drained,
    /// The client went away, or was given up.
    ClientLeft(Reason),
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
    mut facts: Facts,
) -> After {
    let in_flight = worker.begin_request();
    // The current table stays this request's.
    let table = worker.table();
    // Read: the path is normalised once; what is matched is what is forwarded.
    let mut request = Request::from_behind(head, connection, &worker.settings.trust);
    // Match.
    let mut matched = find(&table, &request);
    let route = matched.as_ref().ok().copied();
    // Plugins: they may say who sends the request, change what is forwarded, or answer.
    let mut passed = match route {
        _ if in_flight.is_too_many => Err(Refusal::TooManyRequests),
        Some(route) if !route.plugins.is_empty() => {
            plugin::before_claim(&mut request, route, &table, facts.began, worker.anchor.get())
        }
        _ => Ok(()),
    };
    // From here on its whole time counts, that of a hold included.
    let of_route = route.and_then(|route| route.total_timeout_ms);
    client.timer.limit(grpc::limit_ms(&request, of_route.unwrap_or(worker.settings.total_timeout_ms)));
    // Hold: while a share moves it may have to wait; then the same route of the table that holds then carries it.
    let later;
    let mut revision = table.revision;
    let mut unclaimed = route.map_or(&*worker.unmatched, |route| &route.gate_series);
    if let (Some(route), Ok(())) = (route, &passed)
        && let Some((hold, held)) = hold::asked(route, &request)
    {
        unclaimed = held;
        match hold::wait(worker, client, hold, &mut facts).await {
            Passed::On => {}
            Passed::ClientLeft => return left(worker, &request, held, facts),
            Passed::TimedOut => passed = Err(Refusal::UpstreamTimeout(Reason::TotalTimeout)),
        }
        later = worker.table();
        revision = later.revision;
        matched = later.route(&route.id).map(Arc::as_ref).ok_or(Refusal::RouteNotFound);
    }
    // Claim: the split decides the colour, and its counters begin.
    let claim = matched.and_then(|route| passed.and_then(|()| Claim::new(worker, revision, route, &request)));
    let series = claim.as_ref().map_or(unclaimed, |claim| claim.series);
    let open = Open::begin(series.cell(worker.thread));
    let _counted = claim.as_ref().ok().and_then(|claim| claim.count(worker, &request));
    // Shadow: what is kept of it, if it is to be copied to the new version once it has been answered.
    facts.shadow =
        claim.as_ref().ok().and_then(|claim| shadow::draw(claim, &request, worker.thread, facts.claimed));
    let after = match &claim {
        // Forward: to a node of the upstream, with retries, both bodies streaming.
        Ok(claim) => {
            let result = forward::forward(worker, client, &request, claim, &mut facts).await;
            conclude(worker, client, &request, result, &mut facts).await
        }
        Err(refusal) => refuse(worker, client, &request, refusal, &mut facts).await,
    };
    client.timer.limit(0);
    if facts.ending == Ending::ClientLeft && grpc::is_overdue(&request, clock::now() - facts.began) {
        facts.ran_out_of_time();
    }
    // Examine: what the business says in the answer's body, once the client has all of it.
    if facts.examined.is_some()
        && let Ok(claim) = &claim
    {
        examine::look_into(worker, client, claim, &mut facts).await;
    }
    // Record: exactly one ending for each request that was received.
    record(worker, &request, series, claim.as_ref().ok(), open, &facts);
    if let (Some(shadow), Ok(claim)) = (facts.shadow.take(), &claim) {
        shadow.end(worker, &request, claim, &facts);
    }
    after
}

/// A request whose client went away while it waited.
fn left(worker: &Worker, request: &Request<'_>, held: &Series, facts: Facts) -> After {
    let open = Open::begin(held.cell(worker.thread));
    let reason = Some(Reason::ClientClosed);
    let mut facts = Facts { ending: Ending::ClientLeft, by_gate: true, reason, ..facts };
    if grpc::is_overdue(request, clock::now() - facts.began) {
        facts.ran_out_of_time();
    }
    record(worker, request, held, None, open, &facts);
    After::Gone
}

/// The route of a request.
fn find<'t>(table: &'t Table, request: &Request<'_>) -> Result<&'t Route, Refusal> {
    let method = request.head.method();
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(Refusal::MethodNotAllowed);
    }
    if let Some(error) = request.path_error() {
        return Err(error.into());
    }
    if let Some(tls) = &request.connection.tls {
        tls.admits(table.tls(), request.host(), request.path())?;
    }
    let client = request.client_ip();
    let accepts = |route: &Route| {
        route.accepts(method, client)
            && route.vars.as_ref().is_none_or(|vars| vars.matches(&RequestVariables { request, route: None }))
    };
    table.find(request.host(), request.path(), accepts).map(Arc::as_ref).ok_or(Refusal::RouteNotFound)
}

/// Respond: what an upstream could not answer is answered by the gate, if nothing was sent yet.
async fn conclude(
    worker: &Worker,
    client: &mut Client,
    request: &Request<'_>,
    result: Result<After, Failure>,
    facts: &mut Facts,
) -> After {
    match result {
        Ok(after) => after,
        Err(Failure::Refused(refusal)) => refuse(worker, client, request, &refusal, facts).await,
        Err(Failure::Drained) => {
            facts.ending = Ending::Drained;
            refuse(worker, client, request, &Refusal::Drained, facts).await
        }
        Err(Failure::CutShort(reason)) => {
            facts.ending = Ending::CutShort;
            facts.reason = Some(reason);
            client.io.break_off().await;
            After::Gone
        }
        Err(Failure::ClientLeft(reason)) => {
            facts.ending = Ending::ClientLeft;
            facts.reason = Some(reason);
            After::Gone
        }
    }
}

async fn refuse(
    worker: &Worker,
    client: &mut Client,
    request: &Request<'_>,
    refusal: &Refusal,
    facts: &mut Facts,
) -> After {
    client.timer.limit(0);
    // A body that was not read leaves no place where the next request is known to begin.
    let keep_alive =
        facts.body_read && !refusal.closes() && request.head.keep_alive() && !worker.draining.get();
    let without_body = request.head.method() == "HEAD";
    let asked = Asked { request: Some(request), is_grpc: request.is_grpc(), without_body };
    facts.refused(refusal, asked.is_grpc);
    plugin::answer_phase(request, facts.status, None);
    match respond::refuse(worker, client, refusal, asked, keep_alive).await {
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
