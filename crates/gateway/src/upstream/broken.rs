//! What is wrong with an answer that breaks HTTP, or a bound of ours: for the log. Clients are told less ([`crate::refusal`]).

use super::MAX_INTERIM_ANSWERS;
use http1::{BodyError, FieldError, ResponseError};
use model::reason::Reason;

/// What is wrong with an answer. It reads on after "the node gives".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a head that breaks HTTP: {0}")]
    Head(ResponseError),
    #[error("a head beyond limits.head_bytes or limits.headers: raise them, or have it send less")]
    HeadTooLarge,
    #[error("more than {MAX_INTERIM_ANSWERS} interim answers (1xx) to one request")]
    TooManyInterim,
    #[error(
        "a 101 that was not asked for: the request wants no WebSocket, or its route has no enable_websocket"
    )]
    Unasked,
    #[error("a body that breaks HTTP: {0}")]
    Body(BodyError),
    #[error("a body that does not end as it says")]
    Length,
    #[error("a stream that breaks HTTP/2, or a head far beyond limits.head_bytes")]
    Stream,
    #[error("a head that cannot be said in HTTP/2")]
    NotHttp2,
}

impl Broken {
    /// The same as a token.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Broken::HeadTooLarge => Reason::AnswerHeadTooLarge,
            Broken::TooManyInterim => Reason::TooManyInterim,
            _ => Reason::MalformedAnswer,
        }
    }

    /// The same for clients.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Broken::HeadTooLarge => "head of the upstream's answer is larger than the limit",
            Broken::TooManyInterim => "upstream sent more interim answers than the limit",
            _ => "upstream answered with something that is not HTTP",
        }
    }
}

impl From<ResponseError> for Broken {
    fn from(error: ResponseError) -> Broken {
        match error {
            ResponseError::Field(FieldError::TooLarge | FieldError::TooMany) => Broken::HeadTooLarge,
            error => Broken::Head(error),
        }
    }
}
