//! What became of users' requests of a version besides good answers, each kind in words of its own: a status that failed, an
//! answer that failed a check, and no answer are not the same.

use super::CheckSummary;
use telemetry::counts::Counts;

/// How many requests of one version came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amiss {
    /// Failed, or broke off.
    pub failed: u64,
    /// Their clients went away before the answer was whole.
    pub client_left: u64,
    /// Open, and no streams.
    pub open: u64,
    /// A gateway went, and with it what it had counted: at least so many failed.
    pub is_least: bool,
}

impl Amiss {
    /// Of these counts.
    #[must_use]
    pub fn of(counts: &Counts) -> Amiss {
        let open = counts.open.saturating_sub(counts.streams);
        Amiss { failed: counts.failed(), client_left: counts.client_left, open, is_least: false }
    }

    /// What else there is than failures, where these are told in words of their own.
    #[must_use]
    pub fn besides_failures(self) -> Amiss {
        Amiss { failed: 0, ..self }
    }

    /// `12 of its requests failed, 40 of its answers failed check order, 6 of its requests were left by their clients, 2 have
    /// no answer yet`; empty: nothing. `number` writes numbers.
    #[must_use]
    pub fn words(self, checks: &[CheckSummary], number: impl Fn(u64) -> String) -> Vec<String> {
        let failed = self.failed;
        let least = if self.is_least { "at least " } else { "" };
        let failed = (failed > 0).then(|| format!("{least}{} of its requests failed", number(failed)));
        let of_check =
            |check: &CheckSummary| (check.new.failed, format!("of its answers failed check {}", check.name));
        let left = (self.client_left, "of its requests were left by their clients".to_owned());
        let open = (self.open, "of its requests have no answer yet".to_owned());
        let rest = checks.iter().map(of_check).chain([left, open]).filter(|(count, _)| *count > 0);
        let rest = rest.map(|(count, what)| format!("{} {what}", number(count)));
        failed.into_iter().chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_failed_what_failed_a_check_and_what_has_no_answer_are_told_apart() {
        let of = |failed: u64| json!({"colour": "green", "version": "2", "passed": 9, "failed": failed, "not_examined": 0});
        let check = |name: &str, failed| json!({"name": name, "old": null, "new": of(failed)});
        let checks: Vec<CheckSummary> =
            serde_json::from_value(json!([check("order", 40), check("paid", 0)])).unwrap();
        let counts =
            Counts { whole: [0, 9, 0, 0, 12], client_left: 6, open: 5, streams: 3, ..Counts::default() };
        let words = [
            "12 of its requests failed",
            "40 of its answers failed check order",
            "6 of its requests were left by their clients",
            "2 of its requests have no answer yet",
        ];
        assert_eq!(Amiss::of(&counts).words(&checks, |number| number.to_string()), words);
        let least = Amiss { is_least: true, ..Amiss::of(&counts) };
        assert_eq!(least.words(&[], |number| number.to_string())[0], "at least 12 of its requests failed");
        let besides = Amiss::of(&counts).besides_failures();
        assert_eq!(besides.words(&checks, |number| number.to_string()), words[1..]);
        assert!(Amiss::default().words(&checks[1..], |number| number.to_string()).is_empty());
    }
}
