//! Identity: each answer says which version it came from, and it must be the one that was asked.
//!
//! A switch that points to the wrong side makes every comparison look perfect: the version is compared with itself. One
//! answer of another version is proof. Where fewer than half of the answers say anything, it is not known: those that are
//! silent may be the ones that came from elsewhere.

use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// What the answers of one side said of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// They came from the version that was asked.
    pub right: u64,
    /// They came from another version.
    pub other: u64,
    /// They said nothing.
    pub silent: u64,
}

impl Identity {
    /// What follows from it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Identity { other: 1.., .. } => Verdict::Fail,
            Identity { right: right @ 1.., silent, .. } if right >= silent => Verdict::Pass,
            _ => Verdict::Inconclusive,
        }
    }

    /// The same in words, of the answers of a version.
    #[must_use]
    pub fn words(&self, version: &str) -> String {
        let Identity { right, other, silent } = *self;
        let all = right.saturating_add(other).saturating_add(silent);
        match self.verdict() {
            Verdict::Fail => format!("{other} of {all} answers of {version} came from another version"),
            Verdict::Pass => format!("{right} of {all} answers of {version} said so"),
            Verdict::Inconclusive if right > 0 => {
                format!(
                    "only {right} of {all} answers of {version} said which version it is, which is less than half"
                )
            }
            Verdict::Inconclusive => format!("none of {all} answers of {version} said which version it is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_of_another_version_is_proof_and_silence_is_not_known() {
        let verdict = |right, other, silent| Identity { right, other, silent }.verdict();
        assert_eq!(verdict(1_000, 1, 0), Verdict::Fail);
        assert_eq!(verdict(1_000, 0, 5), Verdict::Pass);
        assert_eq!(verdict(5, 0, 5), Verdict::Pass);
        assert_eq!(verdict(5, 0, 6), Verdict::Inconclusive);
        assert_eq!(verdict(5, 1, 6), Verdict::Fail);
        assert_eq!(verdict(0, 0, 5), Verdict::Inconclusive);
        assert_eq!(verdict(0, 0, 0), Verdict::Inconclusive);
    }

    #[test]
    fn the_words_name_the_counts() {
        let words = Identity { right: 7, other: 3, silent: 0 }.words("2.1");
        assert_eq!(words, "3 of 10 answers of 2.1 came from another version");
        let words = Identity { right: 7, other: 0, silent: 1_624 }.words("2.1");
        assert_eq!(words, "only 7 of 1631 answers of 2.1 said which version it is, which is less than half");
    }
}
