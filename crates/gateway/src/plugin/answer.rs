//! An answer that a plugin gives instead of an upstream.

use crate::grpc;
use serde_json::Value;

/// An answer of the gate's own. Made once where it is always the same: it is shared, not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status, 200 to 599.
    pub status: u16,
    /// Fields besides `Date`, `Server`, `Content-Type` and framing. What is no valid field is not sent.
    pub headers: Vec<(String, String)>,
    /// The type of the body; empty: there is none.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// What a call of gRPC is told instead, where status and body do not say it.
    pub grpc: Option<GrpcAnswer>,
}

/// The same answer to a call of gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcAnswer {
    /// `grpc-status`, 1 to 16.
    pub status: u8,
    /// `grpc-message`, in plain text.
    pub message: String,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), content_type: "", body: String::new(), grpc: None }
    }

    /// An answer of JSON and a line's end, as APISIX sends it.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Answer {
        Answer { content_type: "application/json", body: format!("{body}\n"), ..Answer::empty(status) }
    }

    /// An answer of plain text as it is.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Answer {
        Answer { content_type: "text/plain; charset=utf-8", body: body.into(), ..Answer::empty(status) }
    }

    /// The same answer, of which a call of gRPC is told that its sender has used up what it may: RESOURCE_EXHAUSTED, which clients
    /// do not take for a reason to try again at once.
    #[must_use]
    pub fn for_quota(self, message: impl Into<String>) -> Answer {
        let grpc = GrpcAnswer { status: grpc::RESOURCE_EXHAUSTED, message: message.into() };
        Answer { grpc: Some(grpc), ..self }
    }

    /// The same answer with one more field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
