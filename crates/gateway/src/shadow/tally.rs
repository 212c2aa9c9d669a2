//! What is counted under one id of a shadow, over all threads and tables of a gateway, and its bounds on how often and
//! how many.

use super::compare::Comparison;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use telemetry::report::{DifferenceGroup, ShadowExample, ShadowReport, Skipped, Unanswered};

/// Number of [`Skipped`]'s variants.
const REASONS: usize = 8;
const SKIPPED: [Skipped; REASONS] = [
    Skipped::Method,
    Skipped::Stream,
    Skipped::Size,
    Skipped::Rate,
    Skipped::InFlight,
    Skipped::Memory,
    Skipped::Unfinished,
    Skipped::Over,
];

/// The counters of a shadow. Request threads write to atomic ones, and only for requests that were drawn.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) id: String,
    began: Instant,
    sampled: AtomicU64,
    skipped: [AtomicU64; REASONS],
    /// The second, counted from the beginning, and in its lower half how many copies it has had.
    window: AtomicU64,
    in_flight: AtomicU64,
    /// All that the request threads do not count.
    found: Mutex<ShadowReport>,
}

/// A copy that is under way while this is held.
#[derive(Debug)]
pub(super) struct Slot(Arc<Tally>);

impl Tally {
    pub(super) fn new(id: &str, began: Instant) -> Tally {
        Tally {
            id: id.to_owned(),
            began,
            sampled: AtomicU64::new(0),
            skipped: Default::default(),
            window: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            found: Mutex::new(ShadowReport { id: id.to_owned(), ..ShadowReport::default() }),
        }
    }

    /// A request was drawn.
    pub(super) fn sampled(&self) {
        self.sampled.fetch_add(1, Relaxed);
    }

    /// A drawn request is not copied.
    pub(super) fn skip(&self, why: Skipped) {
        if let Some(at) = SKIPPED.iter().position(|reason| *reason == why) {
            self.skipped[at].fetch_add(1, Release);
        }
    }

    /// Whether one more may be copied in the second in which `now` lies, or in the newest that was asked for, if that is
    /// newer: requests come here in another order than they began. Counts it then.
    pub(super) fn has_rate(&self, now: Instant, max_per_s: u32) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs() & u64::from(u32::MAX);
        let more = |window: u64| {
            let latest = window >> 32;
            let count = if second > latest { 0 } else { window & u64::from(u32::MAX) };
            (count < u64::from(max_per_s)).then_some(second.max(latest) << 32 | (count + 1))
        };
        self.window.fetch_update(AcqRel, Acquire, more).is_ok()
    }

    /// Whether as many copies are under way as may be.
    pub(super) fn is_full(&self, max_in_flight: u32) -> bool {
        self.in_flight.load(Relaxed) >= u64::from(max_in_flight)
    }

    /// One more under way; `None`: there are as many as may be.
    pub(super) fn slot(self: &Arc<Tally>, max_in_flight: u32) -> Option<Slot> {
        let more = |count: u64| (count < u64::from(max_in_flight)).then_some(count + 1);
        self.in_flight.fetch_update(AcqRel, Acquire, more).ok()?;
        Some(Slot(Arc::clone(self)))
    }

    /// Why no copies are made, if so.
    pub(super) fn refuse(&self, why: Option<String>) {
        self.found().refused = why;
    }

    /// A copy goes to the new version.
    pub(super) fn sent(&self) {
        self.found().sent += 1;
    }

    /// A request goes to the live version once more.
    pub(super) fn asked_again(&self) {
        self.found().second_sent += 1;
    }

    /// A copy has no answer.
    pub(super) fn unanswered(&self, why: Unanswered) {
        *self.found().unanswered.entry(why).or_default() += 1;
    }

    /// Answers that are not compared, because too many wait for it.
    pub(super) fn dropped(&self) {
        self.found().dropped += 1;
    }

    /// Adds what the answers of both versions to a request have shown.
    pub(super) fn compared(&self, request: (&str, &str), found: &Comparison) {
        let mut report = self.found();
        report.compared += 1;
        report.same += u64::from(found.is_same());
        if let Some(why) = found.left_out {
            *report.bodies_left_out.entry(why).or_default() += 1;
        }
        let mut places = (!found.is_cut).then(Vec::new);
        for one in &found.differences {
            let example = ShadowExample {
                method: request.0.to_owned(),
                path: request.1.to_owned(),
                values: one.values.clone(),
            };
            let group = DifferenceGroup {
                kind: one.kind,
                place: one.place.clone(),
                what: one.what.clone(),
                pairs: 1,
                itself: 0,
                examples: vec![example],
            };
            let place = report.add_group(&group);
            places = places.zip(place).map(|(mut places, place)| {
                places.push(place);
                places
            });
        }
        if !found.is_same() {
            report.add_pattern(places, 1);
        }
    }

    /// Adds what two answers of the live version to a request have shown.
    pub(super) fn compared_with_itself(&self, found: &Comparison) {
        let mut report = self.found();
        report.second_compared += 1;
        report.second_different += u64::from(!found.is_same());
        for one in &found.differences {
            let (place, what) = (one.place.clone(), one.what.clone());
            let group =
                DifferenceGroup { kind: one.kind, place, what, pairs: 0, itself: 1, examples: Vec::new() };
            // A group that has no place is none that could be noise.
            let _ = report.add_group(&group);
        }
    }

    /// All counts. Those under way are read first: whoever sees none finds what became of each. The drawn are read last: no
    /// more is told of than was drawn.
    pub(super) fn report(&self) -> ShadowReport {
        let in_flight = self.in_flight.load(Acquire);
        let mut report = self.found().clone();
        report.in_flight = in_flight;
        let counts = SKIPPED.iter().zip(&self.skipped).map(|(why, count)| (*why, count.load(Acquire)));
        report.skipped = counts.filter(|(_, count)| *count > 0).collect();
        report.sampled = self.sampled.load(Relaxed);
        report
    }

    fn found(&self) -> MutexGuard<'_, ShadowReport> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_second_has_its_copies_and_no_more() {
        let began = crate::clock::now();
        let tally = Tally::new("s", began);
        let at = |ms: u64| began + Duration::from_millis(ms);
        let allowed = |ms: u64| (0..5).filter(|_| tally.has_rate(at(ms), 3)).count();
        assert_eq!((allowed(0), allowed(999), allowed(1_000), allowed(5_500)), (3, 0, 3, 3));
    }

    #[test]
    fn a_request_that_began_in_an_older_second_opens_no_second_anew() {
        let began = crate::clock::now();
        let tally = Tally::new("s", began);
        let allowed = [2_000, 1_000, 2_000, 1_000, 3_000]
            .map(|ms| (0..2).filter(|_| tally.has_rate(began + Duration::from_millis(ms), 3)).count());
        assert_eq!(allowed, [2, 1, 0, 0, 2]);
    }

    #[test]
    fn as_many_are_under_way_as_may_be() {
        let tally = Arc::new(Tally::new("s", crate::clock::now()));
        let slots: Vec<_> = (0..3).filter_map(|_| tally.slot(2)).collect();
        assert_eq!((slots.len(), tally.is_full(2), tally.report().in_flight), (2, true, 2));
        drop(slots);
        assert_eq!((tally.is_full(2), tally.report().in_flight), (false, 0));
    }

    #[test]
    fn every_reason_is_counted_under_its_name() {
        let tally = Tally::new("s", crate::clock::now());
        for (times, why) in SKIPPED.iter().enumerate() {
            (0..=times).for_each(|_| tally.skip(*why));
        }
        let counts: Vec<u64> = SKIPPED.iter().map(|why| tally.report().skipped[why]).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
