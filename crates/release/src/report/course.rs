//! The course of a release: what each colour did, interval by interval. Pure, and bounded.

use serde::{Deserialize, Serialize};

/// Most points of a course.
pub const MAX_POINTS: usize = 600;

/// What one colour's user traffic did in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Requests that were answered, or cut short.
    pub requests: u64,
    /// Of these, failed ones.
    pub failed: u64,
    /// Median time of whole answers, microseconds; over merged intervals, weighted by requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 99th percentile, microseconds; over merged intervals, that of the worst one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
}

/// One interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When it ended, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How long it was, milliseconds.
    pub ms: u64,
    /// The new version's share of user traffic at its end, percent.
    pub share: u8,
    /// Blue.
    pub blue: Slice,
    /// Green.
    pub green: Slice,
    /// How far the judge's evidence against the new version was on its way to its bound, percent; see
    /// [`crate::report::Evidence::strength`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<u16>,
    /// The same of the guards, the strongest of all gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<u16>,
}

impl Point {
    /// When it began, milliseconds since the Unix epoch.
    #[must_use]
    pub fn began_at_ms(&self) -> i64 {
        self.at_ms.saturating_sub(i64::try_from(self.ms).unwrap_or(i64::MAX))
    }

    /// This interval and the next one as one.
    #[must_use]
    pub fn joined(&self, next: &Point) -> Point {
        Point {
            at_ms: next.at_ms,
            ms: self.ms.saturating_add(next.ms),
            share: next.share,
            blue: self.blue.joined(&next.blue),
            green: self.green.joined(&next.green),
            judge: self.judge.max(next.judge),
            guard: self.guard.max(next.guard),
        }
    }
}

impl Slice {
    fn joined(&self, next: &Slice) -> Slice {
        let median = match (self.p50_us, next.p50_us) {
            (Some(ours), Some(theirs)) => {
                let (weight, other) = (u128::from(self.requests.max(1)), u128::from(next.requests.max(1)));
                let sum = u128::from(ours) * weight + u128::from(theirs) * other;
                u64::try_from(sum / (weight + other)).ok()
            }
            (ours, theirs) => ours.or(theirs),
        };
        Slice {
            requests: self.requests.saturating_add(next.requests),
            failed: self.failed.saturating_add(next.failed),
            p50_us: median,
            p99_us: self.p99_us.max(next.p99_us),
        }
    }
}

/// Points in the order of time; as many as are worth looking at, at most [`MAX_POINTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Course {
    points: Vec<Point>,
}

impl Course {
    /// The points.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Adds the next points. When there are too many, each two neighbours become one: counts stay exact, times coarser.
    pub fn extend(&mut self, points: &[Point]) {
        for point in points {
            self.points.push(*point);
            if self.points.len() > MAX_POINTS {
                self.points = in_groups(&self.points, 2);
            }
        }
    }
}

/// Each `size` neighbours as one.
pub(crate) fn in_groups(points: &[Point], size: usize) -> Vec<Point> {
    let joined = |group: &[Point]| group.iter().copied().reduce(|sum, next| sum.joined(&next));
    points.chunks(size.max(1)).filter_map(joined).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slice() -> impl Strategy<Value = Slice> {
        (0u64..10_000, 0u64..100, prop::option::of(0u64..1_000_000), prop::option::of(0u64..9_000_000))
            .prop_map(|(requests, failed, p50_us, p99_us)| Slice { requests, failed, p50_us, p99_us })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_course_is_bounded_in_order_and_loses_no_request(
            slices in prop::collection::vec((1u64..5_000, slice(), slice()), 0..3_000)
        ) {
            let mut at_ms = 0;
            let mut course = Course::default();
            let mut points = Vec::new();
            for (ms, blue, green) in slices {
                at_ms += i64::try_from(ms).unwrap();
                points.push(Point { at_ms, ms, share: 10, blue, green, ..Point::default() });
            }
            course.extend(&points);
            prop_assert!(course.points().len() <= MAX_POINTS);
            for pair in course.points().windows(2) {
                prop_assert_eq!(pair[0].at_ms, pair[1].began_at_ms());
            }
            let sum = |points: &[Point], of: fn(&Point) -> u64| points.iter().map(of).sum::<u64>();
            let counts: [fn(&Point) -> u64; 3] = [|p| p.blue.requests, |p| p.green.failed, |p| p.ms];
            for of in counts {
                prop_assert_eq!(sum(course.points(), of), sum(&points, of));
            }
            let worst = |points: &[Point]| points.iter().filter_map(|point| point.green.p99_us).max();
            prop_assert_eq!(worst(course.points()), worst(&points));
        }
    }

    #[test]
    fn a_median_is_weighted_and_nothing_is_nothing() {
        let one = Slice { requests: 30, failed: 1, p50_us: Some(10), p99_us: Some(20) };
        let other = Slice { requests: 10, failed: 0, p50_us: Some(50), p99_us: None };
        let expected = Slice { requests: 40, failed: 1, p50_us: Some(20), p99_us: Some(20) };
        assert_eq!(one.joined(&other), expected);
        assert_eq!(Slice::default().joined(&Slice::default()), Slice::default());
    }
}
