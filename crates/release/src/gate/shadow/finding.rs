//! What was found by copying requests: the verdict, and the evidence in words. Pure.

use super::super::evidence::Evidence;
use super::super::{GateOutcome, Verdict};
use super::tally::Tally;
use crate::report::{Difference, ShadowSummary, by_reason};
use judge::figures::percent;
use model::policy::Shadow;
use std::time::Duration;

/// Copies without an answer from which on a version that leaves out half of them is not asked any longer.
const HOPELESS_MIN: u64 = 20;
/// Differences of each kind that stand in the evidence; the report's table has more.
const LINES: usize = 5;

pub(super) struct Finding<'a> {
    policy: &'a Shadow,
    found: ShadowSummary,
    late: Vec<String>,
}

impl<'a> Finding<'a> {
    pub(super) fn of(policy: &'a Shadow, tally: &Tally) -> Finding<'a> {
        let late = tally.late().map(str::to_owned).collect();
        Finding { policy, found: tally.summary(policy.noise_share > 0.0), late }
    }

    /// Whether nothing is to be waited for any more, when requests have been copied for so long.
    pub(super) fn is_over(&self, copied_for: Duration) -> bool {
        if self.is_hopeless() {
            return true;
        }
        let lasted = copied_for >= Duration::from_millis(self.policy.duration_ms);
        // Where no request came at all, waiting longer is a guess.
        lasted && (self.is_enough() || self.found.sampled == 0)
    }

    fn is_enough(&self) -> bool {
        self.found.compared >= self.policy.min_requests
            && (self.differs().is_some() || !self.is_too_many(self.found.different))
    }

    fn is_too_many(&self, different: u64) -> bool {
        different as f64 > self.policy.max_different_rate * self.found.compared as f64
    }

    /// The new version leaves out half of the answers, or half of them differ in ways that the live version never does:
    /// more of that would prove nothing more.
    fn is_hopeless(&self) -> bool {
        let found = &self.found;
        let silent = found.no_answer();
        let mute = self.leaves_out().is_some() && silent >= HOPELESS_MIN && silent * 2 >= found.ended();
        let never_itself = |one: &&Difference| !one.noise && !one.unsure && one.group.itself == 0;
        let most = found.differences.iter().filter(never_itself).map(|one| one.group.pairs).max();
        let other = self.differs().is_some() && most.is_some_and(|pairs| pairs * 2 >= found.compared);
        mute || other
    }

    /// Too many copies without an answer, even if all that are missing for a verdict had one.
    fn leaves_out(&self) -> Option<String> {
        let (silent, ended) = (self.found.no_answer(), self.found.ended());
        let limit = self.policy.max_no_answer_rate;
        (silent as f64 > limit * ended.max(self.policy.min_requests) as f64).then(|| {
            let reasons = by_reason(&self.found.unanswered);
            format!("{silent} of {ended} copies had no answer ({reasons}), limit {}", percent(limit))
        })
    }

    /// Too many differences that are no noise for certain.
    fn differs(&self) -> Option<String> {
        let ShadowSummary { certain, different, compared, .. } = self.found;
        let limit = self.policy.max_different_rate;
        (compared >= self.policy.min_requests && self.is_too_many(certain)).then(|| {
            let first = self.found.differences.first().map(|one| format!(": {}", one.words()));
            let ways = self.found.differences.iter().filter(|one| !one.noise).count();
            let more = if ways > 1 { format!(", and {} more", ways - 1) } else { String::new() };
            let first = first.unwrap_or_default();
            format!("{different} of {compared} answers differ, limit {}{first}{more}", percent(limit))
        })
    }

    /// The verdict, and why in one line.
    fn verdict(&self) -> (Verdict, String) {
        let bad: Vec<String> = self.leaves_out().into_iter().chain(self.differs()).collect();
        if !bad.is_empty() {
            return (Verdict::Fail, bad.join("; "));
        }
        let ShadowSummary { sampled, compared, different, second_compared, .. } = self.found;
        let needed = self.policy.min_requests;
        if sampled == 0 {
            let why = "no live request came while requests were to be copied, so nothing was compared";
            return (Verdict::Inconclusive, why.to_owned());
        }
        if compared < needed {
            let why = format!("{compared} answers were compared, {needed} are needed");
            return (Verdict::Inconclusive, why);
        }
        if self.is_too_many(different) {
            let first = self.found.differences.first().map(|one| format!(": {}", one.words()));
            let why = format!(
                "{different} of {compared} answers differ, but so rarely that it may be noise: the live version was asked a \
                 second time {second_compared} times only{}",
                first.unwrap_or_default()
            );
            return (Verdict::Inconclusive, why);
        }
        (Verdict::Pass, self.counts())
    }

    /// `412 answers compared, 0 different, 12 by noise only, 0 of 412 copies without an answer`.
    fn counts(&self) -> String {
        let ShadowSummary { compared, different, noisy, .. } = self.found;
        let (silent, ended) = (self.found.no_answer(), self.found.ended());
        format!(
            "{compared} answers compared, {different} different, {noisy} by noise only; {silent} of {ended} copies without an \
             answer"
        )
    }

    /// How far it is.
    pub(super) fn progress(&self) -> String {
        let ShadowSummary { compared, different, noisy, .. } = self.found;
        let (needed, silent) = (self.policy.min_requests, self.found.no_answer());
        format!(
            "compared {compared}, needs {needed}; {different} different, {noisy} by noise only, {silent} without an answer"
        )
    }

    pub(super) fn outcome(self) -> GateOutcome {
        let (verdict, why) = self.verdict();
        let mut evidence = Evidence::new(Vec::new());
        evidence.note(verdict, &why);
        self.lines().iter().for_each(|line| evidence.line(line));
        GateOutcome { shadow: Some(Box::new(self.found)), ..evidence.into_outcome(&why) }
    }

    fn lines(&self) -> Vec<String> {
        let found = &self.found;
        let of = |what: &str, reasons: String| (!reasons.is_empty()).then(|| format!("{what}: {reasons}"));
        let mut lines = vec![self.counts()];
        lines.push(format!(
            "copied by {}: {} live requests drawn, {} copied; the live version was asked again {} times to know what is noise",
            found.gateways.join(", "),
            found.sampled,
            found.sent,
            found.second_compared
        ));
        lines.extend(of("drawn and not copied", by_reason(&found.skipped)));
        lines.extend(of("without an answer", by_reason(&found.unanswered)));
        lines.extend(of("bodies not compared", by_reason(&found.bodies_left_out)));
        if found.dropped > 0 {
            lines.push(format!("answered and not compared, because too many waited: {}", found.dropped));
        }
        for gateway in &found.gone {
            lines.push(format!("{gateway} went; what it had counted until it was seen last is contained"));
        }
        for gateway in &self.late {
            lines.push(format!("{gateway} came late and has not copied anything"));
        }
        let of_kind =
            |noise: bool| found.differences.iter().filter(move |one| one.noise == noise).take(LINES);
        lines.extend(of_kind(false).map(|one| self.line(one)));
        lines.extend(of_kind(true).map(|one| self.line(one)));
        lines
    }

    fn line(&self, one: &Difference) -> String {
        let (words, pairs, itself) = (one.words(), one.group.pairs, one.group.itself);
        let (compared, second) = (self.found.compared, self.found.second_compared);
        let as_itself = format!("the live version with itself in {itself} of {second}");
        if one.noise {
            return format!("noise: {words} in {pairs} of {compared}; {as_itself}");
        }
        let examples = one.examples();
        let examples = if examples.is_empty() { String::new() } else { format!(": {}", examples.join(", ")) };
        let meaning = if one.unsure { "perhaps noise" } else { "different" };
        format!("{meaning}: {words} in {pairs} of {compared}, {as_itself}{examples}")
    }
}

#[cfg(test)]
mod tests;
