//! What came of a hold: who waited, and for how long.

use serde::{Deserialize, Serialize};

/// One hold, added up over the gateways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldSummary {
    /// Its id: the release and the number of the hold.
    pub id: String,
    /// The gateways that held.
    pub gateways: Vec<String>,
    /// The share moved before any gateway's budget was over. Otherwise those who waited went on to the old colour.
    pub in_time: bool,
    /// Requests that waited and then went on.
    pub waited: u64,
    /// Requests whose client went away while they waited, or whose whole time was over.
    pub left: u64,
    /// Requests that did not wait because too many did already; they went on to the old colour.
    pub passed: u64,
    /// Median of the waits, milliseconds; `None`: nobody waited.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the waits, milliseconds.
    pub p99_ms: Option<f64>,
    /// The longest wait, milliseconds.
    pub longest_ms: f64,
}

impl HoldSummary {
    /// In words: `37 requests waited, p99 41 ms, at most 42 ms`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = match (self.waited, self.p99_ms) {
            (0, _) | (_, None) => "no request had to wait".to_owned(),
            (waited, Some(p99)) => {
                format!("{waited} requests waited, p99 {p99:.1} ms, at most {:.1} ms", self.longest_ms)
            }
        };
        if self.left > 0 {
            words.push_str(&format!(", {} went away or ran out of time meanwhile", self.left));
        }
        if self.passed > 0 {
            words.push_str(&format!(", {} went on at once because too many waited", self.passed));
        }
        if !self.in_time {
            words.push_str("; the budget was over, and they went on to the old version");
        }
        words
    }
}
