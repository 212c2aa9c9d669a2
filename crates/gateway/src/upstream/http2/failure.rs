//! What the failure of a stream says about its request: whether it was processed, and who broke what.

use h2::Reason;

/// How a stream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFailure {
    /// The node says that it has not begun to process the request: it may be sent again, whatever its method (RFC 9113,
    /// section 8.7).
    Unprocessed,
    /// The connection has ended.
    Closed,
    /// The node gave the stream up.
    Reset,
    /// What came breaks HTTP/2 or HTTP.
    Malformed,
}

impl StreamFailure {
    /// Reads an error of a stream, or of opening one.
    pub(super) fn of(error: &h2::Error) -> StreamFailure {
        tracing::debug!(%error, "stream to an upstream failed");
        match (error.is_remote(), error.reason()) {
            // The stream lies beyond the last one that GOAWAY says was or might be processed.
            (true, _) if error.is_go_away() => StreamFailure::Unprocessed,
            (true, Some(Reason::REFUSED_STREAM)) => StreamFailure::Unprocessed,
            (true, Some(_)) => StreamFailure::Reset,
            _ if error.is_library() => StreamFailure::Malformed,
            _ => StreamFailure::Closed,
        }
    }
}
