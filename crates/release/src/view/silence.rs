//! When a version's silence is worth a word. Pure.

/// A version of which no answer has begun, or ended, for so long while somebody waits is worth a word, milliseconds: longer than answers
/// take as a rule, shorter than a person's patience.
pub const SILENT_MS: u64 = 5_000;

/// Which of both versions begin answers and end none: of each how many have begun and not ended, and for how long none has ended,
/// milliseconds. Where both do so, that is what their answers are, and it is said of neither.
#[must_use]
pub fn ends_nothing(answers: [(u64, Option<u64>); 2]) -> [bool; 2] {
    let endless = answers.map(|(unended, ms)| unended > 0 && ms.is_some_and(|ms| ms >= SILENT_MS));
    if endless == [true; 2] { [false; 2] } else { endless }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_ends_nothing_and_never_both() {
        let (long, short, none) = ((9, Some(SILENT_MS)), (9, Some(SILENT_MS - 1)), (0, None));
        assert_eq!(ends_nothing([short, long]), [false, true]);
        assert_eq!(ends_nothing([long, none]), [true, false]);
        assert_eq!(ends_nothing([none, long]), [false, true], "the only version there is");
        assert_eq!(ends_nothing([long, long]), [false, false]);
        assert_eq!(ends_nothing([none, (0, Some(SILENT_MS))]), [false, false], "nothing is open any more");
    }
}
