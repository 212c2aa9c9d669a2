//! Text from outside, made fit to be shown.

/// At most `max` characters, and none that a terminal would take for an order.
pub(crate) fn shown(text: &str, max: usize) -> String {
    let harmless = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(max).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_given_orders() {
        assert_eq!(shown("a\u{1b}[2J\tb\u{9b}c\0", 100), "a\u{fffd}[2J\tb\u{fffd}c\u{fffd}");
        assert_eq!(shown("äöü", 2), "äö");
    }
}
