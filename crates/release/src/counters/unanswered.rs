//! Requests of the new version that nobody has answered whole: left by their clients, or still open. Pure.
//!
//! They are no failures, for a client may leave for reasons of its own, and long streams end so. But chance decides which version
//! a request gets, so both versions have the same part of those. Where the new one has more of them than chance explains, what
//! it answered is not all that is to be known of it.

use super::Sides;
use judge::limits::{Limits, Observed, Verdict, evaluate};
use telemetry::counts::Counts;

/// So many times the old version's share is not told.
const TIMES: u64 = 2;

/// What is to be said where the share of requests without a whole answer is beyond the limit of failures, and more than twice that of
/// the old version, each by more than chance explains ([`judge::limits::BY_CHANCE`]). Where the old version is not asked meanwhile, by what
/// it showed since the release began; `None`, too, where it was not asked at all.
pub(super) fn unanswered(sides: &Sides, limits: &Limits) -> Option<String> {
    let limit = limits.max_error_rate?;
    let needed = limits.min_requests.max(1);
    let (new, all) = of(&sides.new);
    let known = [&sides.old, &sides.usual].map(of).into_iter().find(|(_, all)| *all >= needed);
    let (old, all_old) = known?;
    let both = all.saturating_add(all_old);
    let is_twice =
        u128::from(new) * u128::from(all_old) > u128::from(TIMES) * u128::from(old) * u128::from(all);
    // Of those of both versions, so many are the new one's by chance. One more of the old version's, so that none at all proves nothing by itself.
    let expected = all as f64 / both as f64;
    let is_large = all >= needed
        && is_twice
        && is_beyond(new, all, limit)
        && is_beyond(new, new.saturating_add(old).saturating_add(1), expected);
    let open = |counts: &Counts| counts.open > counts.streams;
    let how = if open(&sides.new) {
        "were left by their clients, or are still open,"
    } else {
        "were left by their clients"
    };
    is_large.then(|| {
        format!("{new} of {all} requests of the new version {how} without a whole answer, of the old one {old} of {all_old}")
    })
}

/// Those without a whole answer, and all of which something can be said. What became a stream is neither.
fn of(counts: &Counts) -> (u64, u64) {
    let without = counts.client_left.saturating_add(counts.open.saturating_sub(counts.streams));
    (without, counts.requests().saturating_add(without))
}

fn is_beyond(seen: u64, of: u64, rate: f64) -> bool {
    let limits = Limits { max_error_rate: Some(rate), max_p99_ms: None, min_requests: 1 };
    let observed = Observed { requests: of, failed: seen, p99_ms: None };
    matches!(evaluate(&observed, &limits), Verdict::Fail { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(answered: u64, client_left: u64, open: u64, streams: u64) -> Counts {
        let received = answered + client_left + open;
        Counts { received, whole: [0, answered, 0, 0, 0], client_left, open, streams, ..Counts::default() }
    }

    fn said(new: Counts, old: Counts, usual: Counts) -> Option<String> {
        let limits = Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 };
        unanswered(&Sides { new, old, usual }, &limits)
    }

    #[test]
    fn many_that_their_clients_left_where_the_old_version_has_none_are_told() {
        let (new, old) = (|| counts(61, 69, 0, 0), || counts(521, 0, 0, 0));
        let words = "69 of 130 requests of the new version were left by their clients without a whole answer, of the old one 0 of 521";
        assert_eq!(said(new(), old(), Counts::default()).as_deref(), Some(words));
        assert_eq!(said(new(), Counts::default(), old()).as_deref(), Some(words), "after the cutover");
        let open = said(counts(61, 9, 60, 0), old(), Counts::default()).unwrap();
        assert!(open.starts_with(
            "69 of 130 requests of the new version were left by their clients, or are still open,"
        ));
        assert_eq!(said(new(), Counts::default(), Counts::default()), None, "nothing to compare with");
    }

    #[test]
    fn what_clients_leave_on_both_versions_and_streams_and_few_are_not_told() {
        for (new, old) in [
            (counts(61, 69, 0, 0), counts(240, 281, 0, 0)),
            (counts(61, 69, 0, 0), counts(380, 141, 0, 0)),
            (counts(61, 0, 69, 69), counts(521, 0, 0, 0)),
            (counts(126, 4, 0, 0), counts(521, 0, 0, 0)),
            (counts(9, 10, 0, 0), counts(521, 0, 0, 0)),
            // Fewer than three of a half are no proof, whatever the share.
            (counts(18, 7, 0, 0), counts(19, 1, 0, 0)),
        ] {
            assert_eq!(said(new.clone(), old, Counts::default()), None, "{new:?}");
        }
    }
}
