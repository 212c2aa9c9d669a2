//! Times as people read them.

/// A duration: `0.4 s`, `12.4 s`, `2 min 05 s`, `1 h 02 min`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// The time of an answer: `0.42 ms`, `12.3 ms`, `123 ms`, `1.20 s`, `12.3 s`: three digits that count.
pub(super) fn latency(us: u64) -> String {
    let ms = us as f64 / 1_000.0;
    match us {
        0..10_000 => format!("{ms:.2} ms"),
        10_000..100_000 => format!("{ms:.1} ms"),
        100_000..1_000_000 => format!("{ms:.0} ms"),
        1_000_000..10_000_000 => format!("{:.2} s", ms / 1_000.0),
        _ => format!("{:.1} s", ms / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, latency};

    #[test]
    fn a_duration_has_the_unit_that_fits() {
        let said = [0, 12_449, 59_999, 125_000, 3_725_000].map(duration);
        assert_eq!(said, ["0.0 s", "12.4 s", "59.9 s", "2 min 05 s", "1 h 02 min"]);
    }

    #[test]
    fn a_time_has_the_digits_that_count() {
        let said = [0, 420, 1_404, 12_345, 123_400, 1_204_000, 12_345_000].map(latency);
        assert_eq!(said, ["0.00 ms", "0.42 ms", "1.40 ms", "12.3 ms", "123 ms", "1.20 s", "12.3 s"]);
    }
}
