//! Verdicts: what follows from the evidence, with the evidence, as data and in words.
//!
//! A fail needs evidence that reached its bound, once. A pass needs that none did *and* that a difference that matters
//! would have been found. Everything else is inconclusive.

use crate::bound::Bound;
use crate::budget::{Charge, Unit};
use crate::detectable;
use crate::evidence::Evidence;
use crate::figures::{percent, points, times};
use crate::historical::{Basis, Historical};
use crate::identity::Identity;
use crate::metric::Metric;
use crate::panel::Panel;
use crate::sample_ratio::SampleRatio;
use crate::tally::Tally;
use crate::watch::{Crossing, Watch};
use serde::{Deserialize, Serialize};

/// What the judge says. The greater decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is worse, and what matters would have been found.
    Pass,
    /// It cannot be said.
    Inconclusive,
    /// Green is worse.
    Fail,
}

impl Verdict {
    const ALL: [Verdict; 3] = [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail];

    /// The verdict in a word: `pass`, `inconclusive`, `fail`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Fail => "fail",
        }
    }

    /// The verdict of this word; what is no such word says nothing.
    #[must_use]
    pub fn of_name(name: &str) -> Verdict {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name).unwrap_or(Verdict::Inconclusive)
    }
}

/// The numbers behind a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Blue, as compared.
    pub blue: Tally,
    /// Green, as compared.
    pub green: Tally,
    /// How many times better "Green is worse" explains it than chance.
    pub e_value: f64,
    /// What that must reach.
    pub threshold: f64,
    /// By how much higher a rate would have been found, 0 to 1; `None`: none would.
    pub detectable: Option<f64>,
    /// When the bound was first reached.
    pub crossing: Option<Crossing>,
}

impl Figures {
    /// The e-value as people read it: `0.3`, `12`, `over a million`.
    #[must_use]
    pub fn times(&self) -> String {
        times(self.e_value)
    }

    /// What it must reach, in the same form.
    #[must_use]
    pub fn proof(&self) -> String {
        times(self.threshold)
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check.
    pub check: String,
    /// With what Green was compared.
    pub basis: Basis,
    /// What follows.
    pub verdict: Verdict,
    /// Why, for a person.
    pub words: String,
    /// The numbers, where it is a comparison.
    pub figures: Option<Figures>,
}

impl Finding {
    /// The numbers that are to be shown. Where there is no time before to compare with, the words say why.
    #[must_use]
    pub fn shown(&self) -> Option<Figures> {
        let is_empty = |figures: &Figures| figures.blue.units.min(figures.green.units) == 0;
        self.figures.filter(|figures| self.basis != Basis::Historical || !is_empty(figures))
    }

    /// Whether it says anything that nothing else says.
    #[must_use]
    pub fn is_told(&self, metric: &Metric) -> bool {
        self.verdict != Verdict::Inconclusive || !matches!(metric, Metric::Unexamined { .. })
    }

    /// The check, and with what the new version was compared if that was not the old one beside it.
    #[must_use]
    pub fn named(&self) -> String {
        match self.basis {
            Basis::Historical => format!("{} (historical)", self.check),
            Basis::Concurrent | Basis::Absolute | Basis::Nothing => self.check.clone(),
        }
    }
}

/// All findings of a release at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The worst of the findings; inconclusive without any.
    pub verdict: Verdict,
    /// What each check found.
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// Joins findings.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Judgement {
        let worst = findings.iter().map(|finding| finding.verdict).max();
        Judgement { verdict: worst.unwrap_or(Verdict::Inconclusive), findings }
    }

    /// The words of the findings that decided.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        let decided = self.findings.iter().filter(|finding| finding.verdict == self.verdict);
        decided.map(|finding| finding.words.as_str())
    }
}

impl Panel {
    /// What each comparison found until now. That a check could not look at answers is told once it is known: until then that check's own
    /// finding says how many it could look at.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let known = self.comparisons().map(|(charge, watch)| (&charge.metric, found(charge, watch)));
        known.filter(|(metric, finding)| finding.is_told(metric)).map(|(_, finding)| finding).collect()
    }

    /// What one comparison found, by the place of its charge.
    #[must_use]
    pub fn finding(&self, charge: usize) -> Option<Finding> {
        self.get(charge).map(|(charge, watch)| found(charge, watch))
    }
}

fn found(charge: &Charge, watch: &Watch) -> Finding {
    let (bound, evidence, crossing) = (watch.bound(), watch.evidence(), watch.crossing());
    let Charge { metric, unit, .. } = charge;
    let (detectable, slots) = (watch.detectable(), metric.slot().map(|_| evidence.windows()));
    let compared = Compared { metric, unit: *unit, basis: Basis::Concurrent, bound, detectable, slots };
    compared.finding(evidence, crossing)
}

impl Historical {
    /// What the comparison with the time before found until now.
    #[must_use]
    pub fn finding(&self, metric: &Metric, unit: Unit) -> Finding {
        let (bound, evidence) = (self.bound(), self.evidence());
        let detectable = detectable::excess(bound, evidence.blue(), evidence.green());
        let compared = Compared { metric, unit, basis: Basis::Historical, bound, detectable, slots: None };
        compared.finding(evidence, self.crossing())
    }
}

impl SampleRatio {
    /// Whether the shares are as ordered.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let (verdict, words) = match (self.shares(), self.crossed_at_ms()) {
            (None, _) => (Verdict::Inconclusive, "no traffic, so the shares are not known".to_owned()),
            (Some((is, ordered)), Some(_)) => {
                let (is, ordered) = (percent(is), percent(ordered));
                let words = format!(
                    "the new version got {is} of the traffic, {ordered} was ordered: something bypasses the split"
                );
                (Verdict::Fail, words)
            }
            (Some((is, ordered)), None) => {
                let (is, ordered) = (percent(is), percent(ordered));
                (Verdict::Pass, format!("the new version got {is} of the traffic, {ordered} was ordered"))
            }
        };
        Finding { check: "shares".to_owned(), basis: Basis::Absolute, verdict, words, figures: None }
    }
}

impl Identity {
    /// Whether the answers of a version came from it.
    #[must_use]
    pub fn finding(&self, version: &str) -> Finding {
        let (verdict, words) = (self.verdict(), self.words(version));
        let check = format!("identity of {version}");
        Finding { check, basis: Basis::Absolute, verdict, words, figures: None }
    }
}

/// A comparison as it is told.
struct Compared<'a> {
    metric: &'a Metric,
    unit: Unit,
    basis: Basis,
    bound: &'a Bound,
    /// By how much a higher rate would have been found.
    detectable: Option<f64>,
    /// How many slots of time were compared, where each of them counts once.
    slots: Option<u64>,
}

impl Compared<'_> {
    fn finding(&self, evidence: &Evidence, crossing: Option<Crossing>) -> Finding {
        // What decided is shown as it was when it decided.
        let (blue, green) =
            crossing.map_or((evidence.blue(), evidence.green()), |crossing| (crossing.blue, crossing.green));
        let figures = Figures {
            blue,
            green,
            e_value: crossing.map_or(evidence.e_value(), |crossing| crossing.e_value),
            threshold: self.bound.threshold(),
            detectable: self.detectable,
            crossing,
        };
        let would_have_been_found =
            figures.detectable.is_some_and(|excess| excess <= self.bound.sensitivity());
        let verdict = match crossing {
            Some(_) => Verdict::Fail,
            None if would_have_been_found => Verdict::Pass,
            None => Verdict::Inconclusive,
        };
        let words = self.words(&figures);
        Finding { check: self.metric.to_string(), basis: self.basis, verdict, words, figures: Some(figures) }
    }

    fn words(&self, figures: &Figures) -> String {
        let side = |tally: Tally| {
            let rate = percent(tally.rate().unwrap_or(0.0));
            format!("{} of {} ({rate})", tally.failed, self.unit.counted(tally.units))
        };
        let Compared { metric, basis, bound, .. } = self;
        let other =
            if *basis == Basis::Historical { "the old one before (historical)" } else { "the old one" };
        if figures.blue.units == 0 || figures.green.units == 0 {
            // Whether it is too little on one side only does not show: nothing is added up until both have enough.
            let too_little = match metric {
                Metric::Business { .. } => "too few examined answers",
                Metric::Failures
                | Metric::Slower { .. }
                | Metric::Unexamined { .. }
                | Metric::Unended { .. } => "too little traffic",
            };
            return format!("{metric}: {too_little} to compare");
        }
        let (green, blue) = (side(figures.green), side(figures.blue));
        let counts = format!("{metric}: new version {green}, {other} {blue}");
        match (figures.crossing, figures.detectable, self.slots) {
            (Some(crossing), _, slots) => format!(
                "{counts}; {}{} times better explained by a worse version than by chance, the bound is {}",
                if slots.is_some() { "slot by slot " } else { "" },
                times(crossing.e_value),
                times(figures.threshold)
            ),
            (None, Some(excess), _) => format!("{counts}; {} more would have been found", points(excess)),
            (None, None, Some(slots)) => {
                let more = points(bound.sensitivity());
                format!("{counts}; {slots} slots of time are too few to find even {more} more")
            }
            (None, None, None) => {
                format!("{counts}; too little to find even {} more", points(bound.sensitivity()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
