//! A try over HTTP/2: the stream, and what its failures mean for another try.

use super::attempt::TryError;
use super::pump::HeadEvent;
use crate::client::After;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::table::Target;
use crate::upstream::http2::{self, Http2Stream, StreamFailure};
use http1::{Framing, Known, ResponseHead};
use std::task::{Context, Poll, ready};

/// Opens the stream with the head that `out` holds, and empties it: what follows is the body.
pub(super) fn open(
    stream: &mut Http2Stream,
    out: &mut Vec<u8>,
    request: &Request<'_>,
    target: &Target,
) -> Result<(), TryError> {
    let head = request.head;
    let trailers = head.values(Known::Te).any(takes_trailers);
    let ends = matches!(head.framing(), Framing::None | Framing::Length(0));
    let head = http2::request(out, target.scheme.is_tls(), trailers).map_err(|error| {
        tracing::debug!(%error, "request is refused");
        Refusal::NotHttp2
    })?;
    out.clear();
    stream.open(head, ends).map_err(|failure| failed(failure, stream))
}

/// Whether a `TE` field says that trailers are welcome (RFC 9110, section 10.1.4).
fn takes_trailers(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Waits for the next head of the answer.
pub(super) fn poll_head(
    cx: &mut Context<'_>,
    stream: &mut Http2Stream,
    answer: &mut ResponseHead,
    limits: &http1::Limits,
) -> Poll<Result<HeadEvent, TryError>> {
    Poll::Ready(match ready!(stream.poll_head(cx, answer, limits)) {
        Ok(()) if answer.is_interim() => Ok(HeadEvent::Interim),
        Ok(()) => Ok(HeadEvent::Final),
        Err(failure) => Err(failed(failure, stream)),
    })
}

fn failed(failure: StreamFailure, stream: &Http2Stream) -> TryError {
    match failure {
        StreamFailure::Unprocessed => TryError::Stale(Refusal::UpstreamClosed, false),
        StreamFailure::Refused => TryError::Stale(Refusal::StreamReset, false),
        StreamFailure::Closed | StreamFailure::ConnectionReset if stream.is_reused() => {
            TryError::Stale(Refusal::UpstreamClosed, true)
        }
        StreamFailure::ConnectionReset => TryError::Failed(Refusal::UpstreamReset, true),
        StreamFailure::CertificateOfOurs(reason) => TryError::Failed(Refusal::Connect(reason), true),
        StreamFailure::Closed => TryError::Failed(Refusal::UpstreamClosed, true),
        StreamFailure::Reset => TryError::Failed(Refusal::StreamReset, true),
        StreamFailure::Malformed(broken) => Refusal::BadAnswer(broken).into(),
    }
}

/// Takes a connection that answered nothing, or wrongly, out of its pool: it may be dead without a word.
pub(super) fn judge<T>(stream: &Http2Stream, result: &Result<(After, T), TryError>) {
    use crate::exchange::Failure::Refused;
    if let Err(
        TryError::Failed(Refusal::UpstreamTimeout(_), _) | TryError::Final(Refused(Refusal::BadAnswer(_))),
    ) = result
    {
        stream.retire_connection();
    }
}
