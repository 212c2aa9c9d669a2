//! The evidence for and against a new version: what the judge of the release and the guards of the gateways have found.

use judge::historical::Basis;
use judge::verdict::{Figures, Finding, Verdict};
use serde::{Deserialize, Serialize};

/// Most lines that are kept of one release.
const MAX_LINES: usize = 64;
/// Strengths are told up to this many percent of the bound; beyond it nothing is decided by more.
const MOST_PERCENT: f64 = 250.0;

/// What one look at both versions has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who looked: `judge`, or `guard in` a gateway.
    pub by: String,
    /// What was found.
    pub finding: Finding,
}

impl Evidence {
    /// The name under which the judge of the release speaks.
    pub const JUDGE: &str = "judge";

    /// Whether the guard of a gateway has looked.
    #[must_use]
    pub fn is_by_guard(&self) -> bool {
        self.by != Evidence::JUDGE
    }

    /// How far the evidence is on its way to the bound, percent of its logarithm: 0 says nothing, 100 is proof; `None`:
    /// it is no comparison of both versions at the same time.
    #[must_use]
    pub fn strength(&self) -> Option<u16> {
        let figures = self.finding.figures.filter(|_| self.finding.basis == Basis::Concurrent)?;
        Some(strength(&figures))
    }

    fn is_about_the_same(&self, other: &Evidence) -> bool {
        (&self.by, &self.finding.check, self.finding.basis)
            == (&other.by, &other.finding.check, other.finding.basis)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 250")]
fn strength(figures: &Figures) -> u16 {
    let percent = figures.e_value.max(1.0).ln() / figures.threshold.max(1.001).ln() * 100.0;
    percent.clamp(0.0, MOST_PERCENT).round() as u16
}

/// The strongest of the judge's, or of the guards'.
#[must_use]
pub(crate) fn strongest(evidence: &[Evidence], of_guards: bool) -> Option<u16> {
    evidence.iter().filter(|one| one.is_by_guard() == of_guards).filter_map(Evidence::strength).max()
}

/// Brings what is known up to date. What is not looked at any more stays as it was last, and what was proven stays so:
/// where there is no room, a proof takes the place of what is none.
pub(crate) fn update(known: &mut Vec<Evidence>, news: &[Evidence]) {
    for new in news {
        let has_room = known.len() < MAX_LINES;
        match known.iter_mut().find(|known| known.is_about_the_same(new)) {
            Some(known) if is_proof(&known.finding) && !is_proof(&new.finding) => {}
            Some(known) => *known = new.clone(),
            None if has_room => known.push(new.clone()),
            None if is_proof(&new.finding) => {
                if let Some(other) = known.iter_mut().find(|known| !is_proof(&known.finding)) {
                    *other = new.clone();
                }
            }
            None => {}
        }
    }
}

/// Whether something has been proven that was not before. Nothing is news where only proofs are known, and no more fit.
#[must_use]
pub(crate) fn proves_more(known: &[Evidence], news: &[Evidence]) -> bool {
    let is_full = known.len() >= MAX_LINES && known.iter().all(|known| is_proof(&known.finding));
    !is_full
        && news.iter().filter(|new| is_proof(&new.finding)).any(|new| {
            let before = known.iter().find(|known| known.is_about_the_same(new));
            before.is_none_or(|before| !is_proof(&before.finding))
        })
}

fn is_proof(finding: &Finding) -> bool {
    finding.verdict == Verdict::Fail
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use judge::tally::Tally;
    use judge::watch::Crossing;

    pub(crate) fn evidence(by: &str, e_value: f64, threshold: f64) -> Evidence {
        let (blue, green) = (Tally::new(900, 1), Tally::new(100, 9));
        let crossing =
            (e_value >= threshold).then_some(Crossing { at_ms: 20_000, e_value, threshold, blue, green });
        let verdict = if crossing.is_some() { Verdict::Fail } else { Verdict::Inconclusive };
        let figures = Some(Figures { blue, green, e_value, threshold, detectable: Some(0.01), crossing });
        let (check, words) = ("failures".to_owned(), "failures: 9 of 100".to_owned());
        Evidence {
            by: by.to_owned(),
            finding: Finding { check, basis: Basis::Concurrent, verdict, words, figures },
        }
    }

    #[test]
    fn strength_is_the_way_to_the_bound() {
        let of = |e_value| evidence("judge", e_value, 10_000.0).strength();
        assert_eq!([0.001, 1.0, 100.0, 10_000.0, 1e300].map(of), [0, 0, 50, 100, 250].map(Some));
    }

    #[test]
    fn what_was_proven_stays_and_what_is_not_looked_at_any_more_too() {
        let mut known = Vec::new();
        let (proof, guard) = (evidence("judge", 5_000.0, 2_000.0), evidence("guard in a", 3.0, 2_000.0));
        let both = [proof.clone(), guard.clone()];
        assert!(proves_more(&known, &both));
        update(&mut known, &both);
        assert!(!proves_more(&known, &both));
        update(&mut known, &[evidence("judge", 2.0, 2_000.0)]);
        assert_eq!(known, both);
        assert_eq!((strongest(&known, false), strongest(&known, true)), (proof.strength(), guard.strength()));
    }

    #[test]
    fn lines_are_bounded() {
        let mut known = Vec::new();
        (0..1_000).for_each(|number| update(&mut known, &[evidence(&number.to_string(), 1.0, 2.0)]));
        assert_eq!(known.len(), MAX_LINES);
    }
}
