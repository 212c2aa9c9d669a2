//! What came of a hold: who waited, for how long, and how it ended.

use serde::{Deserialize, Serialize};

/// One hold, added up over the gateways.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldSummary {
    /// Its id: the release and the number of the hold.
    pub id: String,
    /// The gateways that held.
    pub gateways: Vec<String>,
    /// The share moved before any gateway had ended the hold by itself. Otherwise those who waited went on to the old colour.
    pub in_time: bool,
    /// How it ended; `None` in journals of earlier versions: as `in_time` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<HoldEnd>,
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

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// The share moved.
    Moved,
    /// Its budget was over: what was under way on the old version did not end in time.
    Budget,
    /// A gateway was started meanwhile, by a takeover or a restart. It does not know how old the hold is, and holds nobody.
    Gateway,
    /// It was taken away before: the release went back, or someone changed the split.
    Lifted,
}

impl HoldEnd {
    /// Why the share has not moved: `the budget was over`; `None`: it has.
    #[must_use]
    pub fn why(self) -> Option<&'static str> {
        match self {
            HoldEnd::Moved => None,
            HoldEnd::Budget => Some("the budget was over"),
            HoldEnd::Gateway => Some("a gateway was started or taken over meanwhile"),
            HoldEnd::Lifted => Some("it was lifted before"),
        }
    }
}

impl HoldSummary {
    /// How it ended.
    #[must_use]
    pub fn end(&self) -> HoldEnd {
        self.ended.unwrap_or(if self.in_time { HoldEnd::Moved } else { HoldEnd::Budget })
    }

    /// Its number within the release: that of the action which it is for ([`crate::machine::ActionRequest::id`]).
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.id.rsplit_once('#')?.1.parse().ok()
    }

    /// In words: `37 requests waited, p99 41.0 ms, at most 42.0 ms`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = waited(self.waited);
        if let (Some(p99), true) = (self.p99_ms, self.waited > 0) {
            words.push_str(&format!(", p99 {p99:.1} ms, at most {:.1} ms", self.longest_ms));
        }
        words.push_str(&others(self.left, self.passed));
        if let Some(why) = self.end().why() {
            let went_on = if self.waited > 0 { ", and they went on to the old version" } else { "" };
            words.push_str(&format!("; {why}{went_on}"));
        }
        words
    }

    /// All tries of one move together: `7 requests waited in 2 tries, at most 201.4 ms; once the budget was over, and they
    /// went on to the old version`. `None`: there was none.
    #[must_use]
    pub fn words_of_tries(tries: &[&HoldSummary]) -> Option<String> {
        if let [only] = tries {
            return Some(only.words());
        }
        let sum = |of: fn(&HoldSummary) -> u64| tries.iter().map(|one| of(one)).fold(0, u64::saturating_add);
        let longest_ms = tries.iter().map(|one| one.longest_ms).fold(0.0, f64::max);
        let all = sum(|one| one.waited);
        let mut words = format!("{} in {} tries", waited(all), tries.len());
        if all > 0 {
            words.push_str(&format!(", at most {longest_ms:.1} ms"));
        }
        words.push_str(&others(sum(|one| one.left), sum(|one| one.passed)));
        for end in [HoldEnd::Budget, HoldEnd::Gateway, HoldEnd::Lifted] {
            let ended: Vec<_> = tries.iter().filter(|one| one.end() == end).collect();
            if let (Some(why), false) = (end.why(), ended.is_empty()) {
                let went_on = if ended.iter().any(|one| one.waited > 0) {
                    ", and they went on to the old version"
                } else {
                    ""
                };
                words.push_str(&format!("; {} {why}{went_on}", times(ended.len())));
            }
        }
        (!tries.is_empty()).then_some(words)
    }
}

fn waited(requests: u64) -> String {
    match requests {
        0 => "no request had to wait".to_owned(),
        1 => "1 request waited".to_owned(),
        requests => format!("{requests} requests waited"),
    }
}

/// Those who did not wait to the end, or not at all.
fn others(left: u64, passed: u64) -> String {
    let mut words = String::new();
    if left > 0 {
        words.push_str(&format!(", {left} went away or ran out of time meanwhile"));
    }
    if passed > 0 {
        words.push_str(&format!(", {passed} went on at once because too many waited"));
    }
    words
}

fn times(number: usize) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        number => format!("{number} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(ended: HoldEnd, waited: u64, longest_ms: f64) -> HoldSummary {
        let p99_ms = (waited > 0).then_some(longest_ms - 1.0);
        let in_time = ended == HoldEnd::Moved;
        HoldSummary { ended: Some(ended), in_time, waited, p99_ms, longest_ms, ..HoldSummary::default() }
    }

    #[test]
    fn a_hold_says_who_waited_and_why_it_ended_if_the_share_has_not_moved() {
        assert_eq!(hold(HoldEnd::Moved, 4, 38.6).words(), "4 requests waited, p99 37.6 ms, at most 38.6 ms");
        let lapsed = HoldSummary { left: 2, passed: 3, ..hold(HoldEnd::Budget, 1, 500.0) };
        let words = "1 request waited, p99 499.0 ms, at most 500.0 ms, 2 went away or ran out of time meanwhile, 3 went on at \
                     once because too many waited; the budget was over, and they went on to the old version";
        assert_eq!(lapsed.words(), words);
        let taken_over = "no request had to wait; a gateway was started or taken over meanwhile";
        assert_eq!(hold(HoldEnd::Gateway, 0, 0.0).words(), taken_over);
        assert_eq!(hold(HoldEnd::Lifted, 0, 0.0).words(), "no request had to wait; it was lifted before");
    }

    #[test]
    fn the_tries_of_one_move_are_added_up_whichever_of_them_moved_it() {
        let (first, second) = (hold(HoldEnd::Budget, 5, 201.4), hold(HoldEnd::Moved, 2, 18.0));
        let words = "7 requests waited in 2 tries, at most 201.4 ms; once the budget was over, and they went on to the old \
                     version";
        assert_eq!(HoldSummary::words_of_tries(&[&first, &second]).as_deref(), Some(words));
        let nobody = hold(HoldEnd::Moved, 0, 0.0);
        let all = [&first, &hold(HoldEnd::Budget, 0, 0.0), &hold(HoldEnd::Gateway, 0, 0.0), &nobody];
        let words = "5 requests waited in 4 tries, at most 201.4 ms; twice the budget was over, and they went on to the old \
                     version; once a gateway was started or taken over meanwhile";
        assert_eq!(HoldSummary::words_of_tries(&all).as_deref(), Some(words));
        assert_eq!(HoldSummary::words_of_tries(&[&second]), Some(second.words()));
        assert_eq!(HoldSummary::words_of_tries(&[]), None);
    }

    #[test]
    fn what_an_earlier_version_wrote_ended_as_it_was_in_time_or_not() {
        let read = |in_time: bool| {
            let old = serde_json::json!({"id": "shop-2#7", "gateways": [], "in_time": in_time, "waited": 0, "left": 0,
                "passed": 0, "p50_ms": null, "p99_ms": null, "longest_ms": 0.0});
            serde_json::from_value::<HoldSummary>(old).unwrap()
        };
        assert_eq!((read(true).end(), read(false).end()), (HoldEnd::Moved, HoldEnd::Budget));
        assert_eq!(read(true).number(), Some(7));
    }
}
