//! Numbers as people read them.

/// `30.8 %`, `0.25 %`, `5 %`: as many digits as help a person.
#[must_use]
pub fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    let digits = match percent {
        small if small >= 10.0 => 1,
        small if small >= 0.095 || small == 0.0 => 2,
        _ => 3,
    };
    format!("{} %", trimmed(percent, digits))
}

/// `12.5 ms`, `1200 ms`.
pub(crate) fn milliseconds(value: f64) -> String {
    format!("{} ms", trimmed(value, if value < 100.0 { 1 } else { 0 }))
}

/// An e-value: `0.3`, `12`, `2041`, `over a million`.
pub(crate) fn times(value: f64) -> String {
    match value {
        small if small < 0.001 => "less than 0.001".to_owned(),
        small if small < 10.0 => trimmed(small, if small < 0.1 { 3 } else { 1 }),
        middle if middle < 1e6 => format!("{middle:.0}"),
        _ => "over a million".to_owned(),
    }
}

/// A difference of rates: `0.9 points`.
pub(crate) fn points(difference: f64) -> String {
    let points = difference * 100.0;
    format!("{} points", trimmed(points, if points < 1.0 { 2 } else { 1 }))
}

fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
