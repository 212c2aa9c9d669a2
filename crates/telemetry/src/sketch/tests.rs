use super::{BUCKETS, InvalidSketch, MAX_US, Sketch, bucket_of, middle_of};
use proptest::prelude::*;

fn recorded(values: &[u64]) -> Sketch {
    let mut sketch = Sketch::new();
    values.iter().for_each(|&value| sketch.record(value));
    sketch
}

/// Times as they occur: as many between 1 and 10 µs as between 1 and 10 s.
fn time_us() -> impl Strategy<Value = u64> {
    (0_u32..32, any::<u64>()).prop_map(|(power, noise)| (1 << power) + noise % (1 << power))
}

fn times_us() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(time_us(), 0..200)
}

proptest! {
    #[test]
    fn a_value_reads_back_within_one_thirty_second(value in time_us()) {
        let read = middle_of(bucket_of(value));
        prop_assert!(read.abs_diff(value) * 32 <= value, "{value} reads back as {read}");
    }

    #[test]
    fn buckets_rise_with_the_values(a in 0..=MAX_US, b in 0..=MAX_US) {
        prop_assert_eq!(bucket_of(a.min(b)) <= bucket_of(a.max(b)), true);
        prop_assert!(bucket_of(a) < BUCKETS);
    }

    #[test]
    fn merging_is_recording_all(a in times_us(), b in times_us()) {
        let mut merged = recorded(&a);
        merged.merge(&recorded(&b));
        prop_assert_eq!(&merged, &recorded(&[a, b].concat()));
    }

    #[test]
    fn a_difference_is_what_came_since(a in times_us(), b in times_us()) {
        prop_assert_eq!(recorded(&[a.clone(), b.clone()].concat()).sub(&recorded(&a)), recorded(&b));
    }

    #[test]
    fn a_quantile_is_within_the_bound_of_the_true_one(first in time_us(), more in times_us(), q in 0.0..=1.0_f64) {
        let values = [vec![first], more].concat();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let rank = ((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
        let truth = sorted[rank - 1];
        let read = recorded(&values).quantile(q).unwrap();
        prop_assert!(read.abs_diff(truth) * 32 <= truth, "q={q}: {truth} reads as {read}");
    }

    #[test]
    fn json_round_trips(values in times_us()) {
        let sketch = recorded(&values);
        let json = serde_json::to_string(&sketch).unwrap();
        prop_assert_eq!(serde_json::from_str::<Sketch>(&json).unwrap(), sketch);
    }
}

#[test]
fn every_bucket_holds_its_own_middle() {
    for bucket in 0..BUCKETS {
        assert_eq!(bucket_of(middle_of(bucket)), bucket);
    }
}

#[test]
fn a_sketch_without_values_has_no_quantile() {
    assert_eq!(Sketch::new().quantile(0.99), None);
    assert_eq!(Sketch::new().count(), 0);
}

#[test]
fn a_value_beyond_the_last_bucket_is_still_counted() {
    let sketch = recorded(&[u64::MAX, 5]);
    assert_eq!(sketch.count(), 2);
    assert_eq!(sketch.quantile(0.0), Some(5));
    assert_eq!(sketch.quantile(1.0), Some(middle_of(BUCKETS - 1)));
}

#[test]
fn json_is_a_list_of_bucket_and_count() {
    assert_eq!(serde_json::to_string(&recorded(&[3, 3, 17])).unwrap(), "[[3,2],[17,1]]");
}

#[test]
fn a_damaged_list_is_refused() {
    for (json, error) in [
        ("[[464,1]]", InvalidSketch::NoSuchBucket(464)),
        ("[[5,1],[5,1]]", InvalidSketch::OutOfOrder(5)),
        ("[[6,1],[5,1]]", InvalidSketch::OutOfOrder(5)),
        ("[[6,0]]", InvalidSketch::Empty(6)),
    ] {
        let refused = serde_json::from_str::<Sketch>(json).unwrap_err().to_string();
        assert!(refused.contains(&error.to_string()), "{json}: {refused}");
    }
}

#[test]
fn counting_up_to_a_limit_counts_what_lies_below() {
    let sketch = recorded(&[10, 20, 1_000, 1_000_000]);
    assert_eq!(sketch.count_up_to(9), 0);
    assert_eq!(sketch.count_up_to(20), 2);
    assert_eq!(sketch.count_up_to(500_000), 3);
    assert_eq!(sketch.count_up_to(u64::MAX), 4);
}
