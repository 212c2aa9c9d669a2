//! Counters of one series, merged over the threads: plain numbers that add.

use crate::found::Hindrance;
use crate::sketch::Sketch;
use model::policy::MAX_ANSWER_CHECKS;
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
    /// Of those that are open, streams (WebSockets, server-sent events, calls of gRPC).
    #[serde(default)]
    pub streams: u64,
    /// Of all these, failures that the gate answered itself for this colour (502, 504, ...), or as itself.
    pub gate_errors: u64,
    /// Requests that were sent to a second upstream of the same colour.
    pub retried: u64,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Bytes of response bodies.
    pub response_bytes: u64,
    /// What each check of the business has said, in the order of the policy. What builds before the first release called
    /// `failed_checks` is not read: a number of failures without that of answers would be read as a rate of 100 %.
    #[serde(default)]
    pub checks: [Examined; MAX_ANSWER_CHECKS],
    /// Why checks that look into bodies could not look at answers.
    #[serde(default, skip_serializing_if = "Hindered::is_nothing")]
    pub hindered: Hindered,
    /// Of answers that were asked for their version: from the one that was asked, from another one, silent.
    #[serde(default)]
    pub origins: [u64; 3],
    /// Total times of whole answers, upgrades excluded.
    pub latency: Sketch,
}

/// What one check of the business has said of requests that can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Examined {
    /// Whole answers that it is content with.
    pub passed: u64,
    /// Whole answers that it is not content with.
    pub failed: u64,
    /// All others: those that it could not look at. They are neither, and no units of evidence.
    pub unexamined: u64,
}

/// Answers whose bodies checks of the business could not look into, by what kept them from it ([`Hindrance`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hindered {
    /// They failed, broke off, or are the gate's own.
    pub failed: u64,
    /// They have no body.
    pub no_body: u64,
    /// They do not say that they are JSON.
    pub not_json: u64,
    /// They are parts (206).
    pub part: u64,
    /// They are JSON, and compressed.
    pub compressed: u64,
    /// They are JSON, and longer than what is kept.
    pub too_large: u64,
    /// They are JSON, and came when the bounds on memory, or on bytes in a second, were reached.
    pub busy: u64,
}

impl Hindered {
    /// None of them.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Hindered::default()
    }

    /// Those that are JSON all the same: what the checks are about is in them, unseen.
    #[must_use]
    pub fn are_json(self) -> u64 {
        [self.compressed, self.too_large, self.busy].into_iter().fold(0, u64::saturating_add)
    }

    /// `compressed 1204, not JSON 3`; empty: there are none.
    #[must_use]
    pub fn words(self) -> String {
        let all = [
            ("compressed", self.compressed),
            ("longer than is kept", self.too_large),
            ("beyond the bounds on bodies", self.busy),
            ("not JSON", self.not_json),
            ("parts", self.part),
            ("without a body", self.no_body),
            ("failed or broken off", self.failed),
        ];
        let some = all.into_iter().filter(|(_, count)| *count > 0);
        let some: Vec<String> = some.map(|(what, count)| format!("{what} {count}")).collect();
        some.join(", ")
    }

    /// The counter of one hindrance.
    pub fn of(&mut self, why: Hindrance) -> &mut u64 {
        match why {
            Hindrance::Failed => &mut self.failed,
            Hindrance::NoBody => &mut self.no_body,
            Hindrance::NotJson => &mut self.not_json,
            Hindrance::Part => &mut self.part,
            Hindrance::Compressed => &mut self.compressed,
            Hindrance::TooLarge => &mut self.too_large,
            Hindrance::Busy => &mut self.busy,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Hindered) -> Hindered {
        self.joined(other, u64::saturating_add)
    }

    fn joined(mut self, mut other: Hindered, join: fn(u64, u64) -> u64) -> Hindered {
        for why in Hindrance::ALL {
            *self.of(why) = join(*self.of(why), *other.of(why));
        }
        self
    }
}

impl Examined {
    /// Answers that it has looked at.
    #[must_use]
    pub fn examined(self) -> u64 {
        self.passed.saturating_add(self.failed)
    }

    /// Answers that were to be looked at.
    #[must_use]
    pub fn asked(self) -> u64 {
        self.examined().saturating_add(self.unexamined)
    }

    /// Of answers that have not failed, `failed` being those that have: how many were to be looked at, and how many of them it could
    /// not look at. What has failed is never looked at, and counted as that.
    #[must_use]
    pub fn of_good(self, failed: u64) -> (u64, u64) {
        let unexamined = self.unexamined.saturating_sub(failed);
        (self.examined().saturating_add(unexamined), unexamined)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Examined) -> Examined {
        self.joined(other, u64::saturating_add)
    }

    /// Both counter by counter.
    #[must_use]
    pub fn joined(self, other: Examined, join: fn(u64, u64) -> u64) -> Examined {
        Examined {
            passed: join(self.passed, other.passed),
            failed: join(self.failed, other.failed),
            unexamined: join(self.unexamined, other.unexamined),
        }
    }
}

impl Counts {
    /// Adds the counts of another series, thread or instance.
    pub fn merge(&mut self, other: &Counts) {
        self.combine(other, u64::saturating_add);
        self.open = self.open.saturating_add(other.open);
        self.streams = self.streams.saturating_add(other.streams);
        self.latency.merge(&other.latency);
    }

    /// What came since an earlier snapshot of the same series.
    ///
    /// `open` is a level and stays what it is now. So the sum over a difference reads: received since + open then =
    /// ended since + open now.
    #[must_use]
    pub fn minus(&self, baseline: &Counts) -> Counts {
        let mut since = self.clone();
        since.combine(baseline, u64::saturating_sub);
        since.latency = self.latency.sub(&baseline.latency);
        since
    }

    /// Requests that can be judged: answered whole, or cut short. Those that the client left, that a drain closed
    /// or that are still open say neither good nor bad, and must not dilute an error rate.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.whole_total().saturating_add(self.cut_short)
    }

    /// Of [`Counts::requests`], those that failed: whole answers of class 5xx and answers cut short. An error that
    /// the gate answered for this colour is one of these already, so `gate_errors` is not added.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let [.., server_errors] = self.whole;
        server_errors.saturating_add(self.cut_short)
    }

    /// Whole answers of any status.
    #[must_use]
    pub fn whole_total(&self) -> u64 {
        self.whole.iter().fold(0, |sum, &class| sum.saturating_add(class))
    }

    /// Requests that have ended, in whatever way.
    #[must_use]
    pub fn ended(&self) -> u64 {
        [self.cut_short, self.client_left, self.drained]
            .into_iter()
            .fold(self.whole_total(), u64::saturating_add)
    }

    /// Joins every counter, but neither the level `open` nor the sketch.
    fn combine(&mut self, other: &Counts, join: fn(u64, u64) -> u64) {
        for (ours, theirs) in self.whole.iter_mut().zip(other.whole) {
            *ours = join(*ours, theirs);
        }
        for (ours, theirs) in self.checks.iter_mut().zip(other.checks) {
            *ours = ours.joined(theirs, join);
        }
        self.hindered = self.hindered.joined(other.hindered, join);
        for (ours, theirs) in self.origins.iter_mut().zip(other.origins) {
            *ours = join(*ours, theirs);
        }
        for (ours, theirs) in [
            (&mut self.received, other.received),
            (&mut self.cut_short, other.cut_short),
            (&mut self.client_left, other.client_left),
            (&mut self.drained, other.drained),
            (&mut self.gate_errors, other.gate_errors),
            (&mut self.retried, other.retried),
            (&mut self.request_bytes, other.request_bytes),
            (&mut self.response_bytes, other.response_bytes),
        ] {
            *ours = join(*ours, theirs);
        }
    }
}

#[cfg(test)]
mod tests;
