//! What the failure of a stream says about its request: whether it was processed, and who broke what.

use super::super::broken::Broken;
use super::super::fault;
use h2::Reason;
use std::io;

/// How a stream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamFailure {
    /// The node says that it has not begun to process the request: it may be sent again, whatever its method (RFC 9113,
    /// section 8.7).
    Unprocessed,
    /// The same, said of this stream alone.
    Refused,
    /// The connection has ended.
    Closed,
    /// The same with a reset of TCP.
    ConnectionReset,
    /// The same with what TLS says of the certificate that we show.
    CertificateOfOurs(model::reason::Reason),
    /// The node gave the stream up.
    Reset,
    /// What came breaks HTTP/2 or HTTP.
    Malformed(Broken),
}

impl StreamFailure {
    /// Reads an error of a stream, or of opening one.
    pub(super) fn of(error: &h2::Error) -> StreamFailure {
        tracing::debug!(%error, "stream to an upstream failed");
        if let Some(error) = error.get_io() {
            return StreamFailure::of_connection(error);
        }
        match (error.is_remote(), error.reason()) {
            // The stream lies beyond the last one that GOAWAY says was or might be processed.
            (true, _) if error.is_go_away() => StreamFailure::Unprocessed,
            (true, Some(Reason::REFUSED_STREAM)) => StreamFailure::Refused,
            (true, Some(_)) => StreamFailure::Reset,
            _ if error.is_library() => StreamFailure::Malformed(Broken::Stream),
            _ => StreamFailure::Closed,
        }
    }

    /// Of the error itself the crate hands on the kind and the text.
    fn of_connection(error: &io::Error) -> StreamFailure {
        use io::ErrorKind as Kind;
        if let Some(reason) = fault::after_handshake_by_text(error) {
            return StreamFailure::CertificateOfOurs(reason);
        }
        match error.kind() {
            Kind::ConnectionReset | Kind::ConnectionAborted => StreamFailure::ConnectionReset,
            _ => StreamFailure::Closed,
        }
    }
}
