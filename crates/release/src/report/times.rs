//! Times of answers as people read them.

/// `0.42 ms`, `12.3 ms`, `123 ms`, `1.20 s`, `12.3 s`: three digits that count.
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
    use super::latency;

    #[test]
    fn a_time_has_the_digits_that_count() {
        let said = [0, 420, 1_404, 12_345, 123_400, 1_204_000, 12_345_000].map(latency);
        assert_eq!(said, ["0.00 ms", "0.42 ms", "1.40 ms", "12.3 ms", "123 ms", "1.20 s", "12.3 s"]);
    }
}
