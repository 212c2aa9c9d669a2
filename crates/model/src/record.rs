//! One record per request: everything that happened, once. Logs, metrics, reports and the judge derive from it.

use crate::colour::Colour;
use crate::reason::Reason;
use crate::resource::Revision;
use serde::{Deserialize, Serialize};

/// Who gave the answer (or should have given it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answerer {
    /// The app's blue environment.
    Blue,
    /// The app's green environment.
    Green,
    /// An upstream without a colour.
    Upstream,
    /// The gateway itself: 404, 502, a plugin's answer.
    Gate,
}

impl Answerer {
    /// All, in the order of the declaration.
    pub const ALL: [Answerer; 4] = [Answerer::Blue, Answerer::Green, Answerer::Upstream, Answerer::Gate];

    /// The name in logs, labels and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Answerer::Blue => "blue",
            Answerer::Green => "green",
            Answerer::Upstream => "upstream",
            Answerer::Gate => "gate",
        }
    }
}

impl From<Colour> for Answerer {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Blue => Answerer::Blue,
            Colour::Green => Answerer::Green,
        }
    }
}

/// By which kind of rule a request came to its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// By the shares: user traffic, what limits and judge look at.
    Share,
    /// By a `match` of a traffic-split rule, for example a preview: outside shares, limits and judge.
    Matched,
}

impl Lane {
    /// The name in logs, labels and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lane::Share => "share",
            Lane::Matched => "matched",
        }
    }
}

/// How a request ended, seen from the gate. Every received request ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The whole answer was handed to the client's socket.
    Whole,
    /// The answer began and could not be finished: the upstream broke off, or a time limit.
    CutShort,
    /// The client went away before its answer was complete.
    ClientLeft,
    /// A stream (WebSocket, server-sent events, call of gRPC) that was ended by a drain deadline; not lost.
    Drained,
}

impl Ending {
    /// The name in logs, labels and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ending::Whole => "whole",
            Ending::CutShort => "cut_short",
            Ending::ClientLeft => "client_left",
            Ending::Drained => "drained",
        }
    }
}

/// The status of HTTP that an answer is judged by. A call of gRPC says what became of it beside a status of 200; what is the
/// server's doing amounts to a 5xx (`google/rpc/code.proto`, "HTTP Mapping"): UNKNOWN, INTERNAL and DATA_LOSS 500,
/// UNIMPLEMENTED 501, UNAVAILABLE 503, DEADLINE_EXCEEDED 504.
#[must_use]
pub fn judged_status(status: u16, grpc_status: Option<u8>) -> u16 {
    match grpc_status.filter(|_| status == 200) {
        Some(2 | 13 | 15) => 500,
        Some(12) => 501,
        Some(14) => 503,
        Some(4) => 504,
        _ => status,
    }
}

/// What a request was and how it went.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRecord<'a> {
    /// Wall-clock time at which the head was complete, microseconds since the Unix epoch.
    pub at_us: i64,
    /// Id of the matched route; empty when none matched.
    pub route: &'a str,
    /// Id of the service; empty when the route has none.
    pub service: &'a str,
    /// Who answered.
    pub answerer: Answerer,
    /// By which kind of rule.
    pub lane: Lane,
    /// The epoch of the route's split under which the upstream was claimed.
    pub epoch: Revision,
    /// How it ended.
    pub ending: Ending,
    /// Status sent to the client; 0 if none was.
    pub status: u16,
    /// Status of the upstream; 0 if it gave none.
    pub upstream_status: u16,
    /// The status of a call of gRPC, as its upstream has said it, or the gate; `None`: it is none, or was not said.
    pub grpc_status: Option<u8>,
    /// Why it ended otherwise than with its upstream's whole answer, or as a WebSocket for want of traffic; `None`: it did not.
    pub reason: Option<Reason>,
    /// `host:port` of the upstream that was tried last; empty if none.
    pub upstream: &'a str,
    /// How many upstreams were tried; 0 if none.
    pub tries: u8,
    /// Version of HTTP as the client spoke it: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: &'static str,
    /// Request method.
    pub method: &'a str,
    /// Request host, lower case, without port.
    pub host: &'a str,
    /// Normalised path, without the query.
    pub path: &'a str,
    /// The query as it came, without `?`; the access log masks its values.
    pub query: &'a str,
    /// Address of the client, as text that needs no escaping.
    pub client: &'a str,
    /// Name of the consumer that sent it; empty if that is not known.
    pub consumer: &'a str,
    /// From the first byte of the head to the last byte of the answer, microseconds.
    pub total_us: u64,
    /// From the claim of the upstream to its response head, microseconds; 0 if none came.
    pub upstream_us: u64,
    /// Bytes of the request body that were read.
    pub request_bytes: u64,
    /// Bytes of the response body that were sent.
    pub response_bytes: u64,
}
