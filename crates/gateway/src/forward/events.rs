//! Server-sent events: an answer of `text/event-stream` has no end of its own, so it is a stream that can be drained, as a
//! WebSocket is. It ends as a whole body, and its client asks again (HTML Standard, section 9.2.3). An event that is cut by
//! the end is dropped by the client, which names the last one it has had when it comes back (`Last-Event-ID`).
//!
//! Other answers end by themselves, and are left to.

use super::attempt::TryError;
use super::leg::Leg;
use super::pump::{self, Sides};
use crate::claim::Claim;
use crate::client::Client;
use crate::record::Facts;
use crate::worker::{Tracked, Worker};
use http1::{Framing, Known, ResponseHead};
use model::reason::Reason;
use model::record::Ending;

const KIND: &[u8] = b"text/event-stream";

/// Tracks an answer, if it is one of events, so that it ends when its colour is drained.
pub(super) fn track<'w>(
    worker: &'w Worker,
    answer: &ResponseHead,
    body: Framing,
    claim: &Claim<'w>,
) -> Option<Tracked<'w>> {
    // One whose length is known comes to its end.
    let is_endless = matches!(body, Framing::Chunked | Framing::UntilClose);
    (is_endless && is_of_events(answer)).then(|| worker.track_stream(claim))
}

fn is_of_events(answer: &ResponseHead) -> bool {
    answer.values(Known::ContentType).any(|kind| {
        kind.split_at_checked(KIND.len()).is_some_and(|(kind, rest)| {
            kind.eq_ignore_ascii_case(KIND) && matches!(rest.first(), None | Some(b';' | b' ' | b'\t'))
        })
    })
}

/// Ends it where it is. Towards a client of HTTP/1.0 the end of the connection says so.
pub(super) async fn end(
    worker: &Worker,
    client: &mut Client,
    sides: &mut Sides,
    leg: &mut Leg,
    facts: &mut Facts,
) -> Result<(), TryError> {
    if leg.end_with(&mut sides.input, None) || leg.is_read() {
        pump::say_end(worker, client, sides, leg).await?;
    }
    (facts.ending, facts.reason) = (Ending::Drained, Some(Reason::Drained));
    Ok(())
}
