//! Scales of plots: where a value stands, and which values are worth a line. Pure.

/// Lengths of time that people count in, milliseconds.
const TIME_STEPS_MS: [i64; 20] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
    1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];
/// Most lines along the time.
const MAX_TIME_LINES: i64 = 9;
/// Most lines across values.
const MAX_LINES: f64 = 5.0;

/// From values to places along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    first: f64,
    last: f64,
}

impl Scale {
    /// Values from `first` to `last` stand from `from` to `to`.
    pub(super) fn new(first: f64, last: f64, from: f64, to: f64) -> Scale {
        Scale { from, to, first, last: if last > first { last } else { first + 1.0 } }
    }

    /// Where a value stands; values beyond the ends stand at the ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let part = ((value - self.first) / (self.last - self.first)).clamp(0.0, 1.0);
        self.from + part * (self.to - self.from)
    }

    /// The largest value.
    pub(super) fn last(&self) -> f64 {
        self.last
    }
}

/// Between two lines across values up to this one, and how many there are: 1, 2 or 5 times a power of ten.
pub(super) fn lines(largest: f64) -> (f64, u32) {
    if largest.is_nan() || largest <= 0.0 || largest.is_infinite() {
        return (0.5, 2);
    }
    let power = 10f64.powf(largest.log10().floor() - 1.0);
    let choices = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let step = choices.into_iter().map(|choice| choice * power).find(|step| largest / step <= MAX_LINES);
    let step = step.unwrap_or(largest);
    // A value that is a line up to what cannot be seen is that line.
    (step, (largest / step - 1e-6).ceil().max(1.0) as u32)
}

/// Between two lines along a time of this length, milliseconds.
pub(super) fn time_step_ms(length_ms: i64) -> i64 {
    let fits = TIME_STEPS_MS.into_iter().find(|step| length_ms / step <= MAX_TIME_LINES);
    fits.unwrap_or_else(|| (length_ms / MAX_TIME_LINES).max(1))
}

/// `0.5 s`, `30 s`, `2:30`, `1:05:00` behind the beginning.
pub(super) fn time_label(ms: i64) -> String {
    let s = ms / 1_000;
    match ms {
        0 => "0".to_owned(),
        1..60_000 if ms % 1_000 != 0 => format!("{s}.{} s", ms % 1_000 / 100),
        1..60_000 => format!("{s} s"),
        60_000..3_600_000 => format!("{}:{:02} min", s / 60, s % 60),
        _ => format!("{}:{:02} h", s / 3_600, s / 60 % 60),
    }
}

/// A number on an axis.
pub(super) fn number_label(value: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if largest >= 10_000.0 {
        return format!("{:.0}k", value / 1_000.0);
    }
    let digits = if largest >= 8.0 {
        0
    } else if largest >= 0.8 {
        1
    } else if largest >= 0.08 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_stands_inside_and_the_axis_is_not_much_too_long(
            largest in 1e-6f64..1e9, part in 0.0f64..2.0
        ) {
            let (step, count) = lines(largest);
            let end = step * f64::from(count);
            prop_assert!(count <= 5 && end >= largest * 0.999 && end <= largest * 2.01, "{largest} → {end}");
            let scale = Scale::new(0.0, end, 200.0, 50.0);
            prop_assert!((50.0..=200.0).contains(&scale.at(largest * part)));
        }

        #[test]
        fn there_are_a_few_lines_along_the_time(length_ms in 1i64..10_000_000_000) {
            prop_assert!(length_ms / time_step_ms(length_ms) <= MAX_TIME_LINES + 1);
        }
    }

    #[test]
    fn axes_of_nothing_are_axes() {
        for nothing in [0.0, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(lines(nothing), (0.5, 2));
        }
        let scale = Scale::new(5.0, 5.0, 0.0, 10.0);
        assert!(scale.at(5.0).abs() < f64::EPSILON && scale.last() > 5.0);
    }

    #[test]
    fn lines_are_numbers_that_people_count_in() {
        assert_eq!(
            [lines(235.0), lines(40.0), lines(9.0), lines(1.0)],
            [(50.0, 5), (10.0, 4), (2.0, 5), (0.2, 5)]
        );
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(
            [0, 500, 1_500, 30_000, 150_000, 3_900_000].map(time_label),
            ["0", "0.5 s", "1.5 s", "30 s", "2:30 min", "1:05 h"]
        );
        assert_eq!(number_label(2_500.0, 10_000.0), "2k");
        assert_eq!([number_label(0.25, 1.0), number_label(50.0, 100.0)], ["0.2", "50"]);
    }
}
