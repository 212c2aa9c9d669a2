//! What a gate saw, line by line: bounded, and with no secret in it.

use super::{GateOutcome, Verdict};
use crate::target::text::shown;
use crate::target::variables::mask;

/// Most lines.
const LINES_MAX: usize = 100;
/// Longest line, characters.
const LINE_MAX: usize = 500;
/// Headers whose values are secrets, whoever sends them.
const SECRET_HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-tealgate-preview"];

/// Lines and the verdict so far. The worst verdict wins: fail, then inconclusive, then pass.
#[derive(Debug)]
pub(super) struct Evidence {
    secrets: Vec<String>,
    lines: Vec<String>,
    left_out: usize,
    failed: usize,
    inconclusive: usize,
    /// The first line of what failed, and of what is inconclusive.
    first: [Option<String>; 2],
}

impl Evidence {
    /// No lines yet; `secrets` are replaced in whatever is noted.
    pub(super) fn new(secrets: Vec<String>) -> Evidence {
        Evidence { secrets, lines: Vec::new(), left_out: 0, failed: 0, inconclusive: 0, first: [None, None] }
    }

    /// Notes one line that decides nothing.
    pub(super) fn line(&mut self, line: &str) {
        self.note(Verdict::Pass, line);
    }

    /// Notes one line and what it means for the verdict.
    pub(super) fn note(&mut self, verdict: Verdict, line: &str) {
        let [failed, inconclusive] = &mut self.first;
        let first = match verdict {
            Verdict::Pass => None,
            Verdict::Fail => {
                self.failed += 1;
                Some(failed)
            }
            Verdict::Inconclusive => {
                self.inconclusive += 1;
                Some(inconclusive)
            }
        };
        if let Some(first @ None) = first {
            *first = Some(line.to_owned());
        }
        // One line is kept for the count of those left out.
        if self.lines.len() + 1 >= LINES_MAX {
            self.left_out += 1;
            return;
        }
        self.lines.push(shown(&self.masked(line), LINE_MAX));
    }

    /// A text without the secrets; to be called before a text is cut.
    pub(super) fn masked(&self, text: &str) -> String {
        mask(text, self.secrets.iter().map(String::as_str))
    }

    /// How many notes were failures.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// How many notes were inconclusive.
    pub(super) fn inconclusive(&self) -> usize {
        self.inconclusive
    }

    /// The first of what failed, or else of what is inconclusive; not masked yet.
    pub(super) fn first(&self) -> Option<&str> {
        self.first.iter().flatten().next().map(String::as_str)
    }

    /// The outcome; the summary is masked, too.
    pub(super) fn into_outcome(mut self, summary: &str) -> GateOutcome {
        if self.left_out > 0 {
            self.lines.push(format!("({} more lines)", self.left_out));
        }
        let verdict = match (self.failed, self.inconclusive) {
            (0, 0) => Verdict::Pass,
            (0, _) => Verdict::Inconclusive,
            _ => Verdict::Fail,
        };
        let summary = shown(&self.masked(summary), LINE_MAX);
        GateOutcome { verdict, summary, evidence: self.lines, did_harm: false, shadow: None }
    }
}

/// Whether a header's value must not be shown.
pub(super) fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_note_decides() {
        let verdict = |notes: &[Verdict]| {
            let mut evidence = Evidence::new(Vec::new());
            notes.iter().for_each(|verdict| evidence.note(*verdict, "x"));
            evidence.into_outcome("").verdict
        };
        assert_eq!(verdict(&[]), Verdict::Pass);
        assert_eq!(verdict(&[Verdict::Pass, Verdict::Inconclusive, Verdict::Pass]), Verdict::Inconclusive);
        assert_eq!(verdict(&[Verdict::Fail, Verdict::Inconclusive, Verdict::Pass]), Verdict::Fail);
    }

    #[test]
    fn lines_are_bounded_and_the_verdict_counts_all_of_them() {
        let mut evidence = Evidence::new(Vec::new());
        (0..150).for_each(|_| evidence.note(Verdict::Pass, &"ä".repeat(600)));
        evidence.note(Verdict::Fail, "the last");
        let outcome = evidence.into_outcome("");
        assert_eq!((outcome.evidence.len(), outcome.verdict), (100, Verdict::Fail));
        assert_eq!(outcome.evidence.last().unwrap(), "(52 more lines)");
        assert!(outcome.evidence.iter().all(|line| line.chars().count() <= 500));
    }

    #[test]
    fn no_line_shows_a_secret() {
        let mut evidence = Evidence::new(vec!["t0ken".to_owned()]);
        evidence.note(Verdict::Fail, "the body was \"t0ken\"");
        let outcome = evidence.into_outcome("t0ken");
        assert_eq!((outcome.summary.as_str(), outcome.evidence[0].as_str()), ("***", "the body was \"***\""));
    }
}
