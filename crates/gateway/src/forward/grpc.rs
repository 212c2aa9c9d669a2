//! Calls of gRPC: each is a stream that can be drained, and one whose answer has begun and cannot go on is ended with a
//! status, for its client looks for nothing else.

use super::attempt::TryError;
use super::leg::Leg;
use super::pump::{self, Sides};
use crate::claim::Claim;
use crate::client::Client;
use crate::exchange::Failure;
use crate::grpc;
use crate::record::Facts;
use crate::request::Request;
use crate::worker::{Tracked, Worker};
use http::{HeaderMap, HeaderValue};
use http1::{Known, ResponseHead};
use model::reason::Reason;
use model::record::Ending;

const STATUS: &str = "grpc-status";
/// Something failed, and what is not known.
const UNKNOWN: u8 = 2;

/// Tracks a call over HTTP/2, so that it ends when its colour is drained. Other requests finish, as over HTTP/1.
pub(super) fn track<'w>(worker: &'w Worker, request: &Request<'_>, claim: &Claim<'w>) -> Option<Tracked<'w>> {
    request.is_grpc().then(|| worker.track_call(claim))
}

/// The status that an upstream has given a call, in its trailers, or in the head of an answer that is nothing else. An answer
/// of gRPC without one is taken for UNKNOWN, as clients take it; `None`: it is no answer of gRPC.
pub(super) fn said(answer: &ResponseHead, trailers: Option<&HeaderMap>) -> Option<u8> {
    let of_trailers = || trailers?.get(STATUS).map(HeaderValue::as_bytes);
    let is_grpc = || answer.values(Known::ContentType).any(grpc::is_kind);
    match answer.header(STATUS).or_else(of_trailers) {
        Some(status) => {
            Some(std::str::from_utf8(status).ok().and_then(|text| text.parse().ok()).unwrap_or(UNKNOWN))
        }
        None => is_grpc().then_some(UNKNOWN),
    }
}

/// Ends an answer that has begun with a status in its trailers: where the call's time is over, its colour is drained, or
/// its upstream has broken off. No status but OK makes what came so far a whole answer. Where trailers have no place, it
/// is cut short.
pub(super) async fn conclude(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    leg: &mut Leg,
    facts: &mut Facts,
    failure: TryError,
) -> Result<(), TryError> {
    let (status, message, ending, reason) = match failure {
        TryError::Final(Failure::Drained) => {
            (grpc::UNAVAILABLE, "upstream is being drained", Ending::Drained, Reason::Drained)
        }
        TryError::Final(Failure::CutShort(_)) if client.timer.is_over() => {
            (grpc::DEADLINE_EXCEEDED, "deadline exceeded", Ending::CutShort, Reason::TotalTimeout)
        }
        TryError::Final(Failure::CutShort(reason)) => {
            (grpc::UNAVAILABLE, "upstream broke its answer off", Ending::CutShort, reason)
        }
        failure => return Err(failure),
    };
    if !leg.end_with(&mut sides.input, Some(grpc::trailers(status, message))) {
        return Err(Failure::CutShort(reason).into());
    }
    pump::say_end(worker, client, sides, leg).await?;
    (facts.ending, facts.reason) = (ending, Some(reason));
    Ok(())
}
