//! Counters of one series, merged over the threads: plain numbers that add.

use crate::sketch::Sketch;
use serde::{Deserialize, Serialize};

/// What one series counted. `received = whole + cut_short + client_left + drained + open`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that were claimed for this series.
    pub received: u64,
    /// Whole answers by status class: 1xx (an upgrade that ended), 2xx, 3xx, 4xx, 5xx.
    pub whole: [u64; 5],
    /// Answers that began and broke off.
    pub cut_short: u64,
    /// The client went away first.
    pub client_left: u64,
    /// Streams closed by a drain deadline.
    pub drained: u64,
    /// Begun and not ended.
    pub open: u64,
    /// Of all these, failures that the gate answered itself for this colour (502, 504, ...).
    pub gate_errors: u64,
    /// Requests that were sent to a second upstream of the same colour.
    pub retried: u64,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_bytes: u64,
    /// Total times of whole answers, upgrades excluded.
    pub latency: Sketch,
}
