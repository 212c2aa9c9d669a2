//! Words and numbers in a page. Whatever comes from outside goes through [`Text`].

use jiff::Timestamp;
use std::fmt;

/// A text as HTML shows it, in content and in quoted attributes: nothing in it is read as markup.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Not allowed in HTML, and no use to a reader; direction overrides could make a line say another thing.
                '\u{0}'..='\u{8}' | '\u{b}'..='\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                    f.write_str("\u{fffd}")?;
                }
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_str("\u{fffd}")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// `2026-11-21 08:00:00.123 UTC`.
pub(super) fn moment(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        Err(_) => format!("{at_ms} ms"),
    }
}

/// `08:00:00.123`.
pub(super) fn time_of_day(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.strftime("%H:%M:%S%.3f").to_string(),
        Err(_) => format!("{at_ms} ms"),
    }
}

/// `12 ms`, `3.4 s`, `2 min 5 s`, `1 h 10 min`, `2 d 3 h`.
pub(super) fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let (s, min, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", s, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{min} min {} s", s % 60),
        3_600_000..172_800_000 => format!("{h} h {} min", min % 60),
        _ => format!("{} d {} h", h / 24, h % 24),
    }
}

/// `1 234 567`, with narrow spaces.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `0 %`, `0.04 %`, `12.5 %`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match part {
        0 => "0 %".to_owned(),
        _ if percent < 0.01 => "< 0.01 %".to_owned(),
        _ if percent < 1.0 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_read_as_markup() {
        let text = Text("<b a=\"x\" c='y'>&\u{0}\u{1b}\u{202e}").to_string();
        assert_eq!(text, "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        let times = [0, 999, 1_234, 61_000, 3_660_000, 200_000_000].map(duration);
        assert_eq!(times, ["0 ms", "999 ms", "1.2 s", "1 min 1 s", "1 h 1 min", "2 d 7 h"]);
        assert_eq!([7, 1_000, 1_234_567].map(grouped), ["7", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!([percent(0, 0), percent(0, 9), percent(1, 100_000)], ["–", "0 %", "< 0.01 %"]);
        assert_eq!([percent(1, 200), percent(1, 8)], ["0.50 %", "12.5 %"]);
        assert_eq!(moment(1_790_000_000_123), "2026-09-21 14:13:20.123 UTC");
        assert_eq!(time_of_day(i64::MAX), format!("{} ms", i64::MAX));
    }
}
