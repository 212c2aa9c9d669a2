//! What a shadow gate found, as it stands in the journal and the report: bounded, and without anything that only the
//! gateways need.

use judge::noise::{Differing, chance, is_noise};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use telemetry::report::{DifferenceGroup, DifferenceKind, LeftOut, ShadowReport, Skipped, Unanswered};

/// Most differences that are kept.
const MAX_DIFFERENCES: usize = 40;

/// How unlikely chance must be before a difference that the live version was not seen to have with itself is held for one
/// of the new version: so often at most, noise that was missed is taken for it.
const CERTAIN: f64 = 0.01;

/// The account of the copies of one run of a shadow gate, over all gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowSummary {
    /// The gateways that copied.
    pub gateways: Vec<String>,
    /// Of these, those that went meanwhile: what they had counted when they were seen last is contained.
    pub gone: Vec<String>,
    /// Live requests that were drawn.
    pub sampled: u64,
    /// Of these, those that were not copied, by reason.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Copies that were sent.
    pub sent: u64,
    /// Copies without an answer, by reason.
    pub unanswered: BTreeMap<Unanswered, u64>,
    /// Answered copies that were not compared, because too many waited for it.
    pub dropped: u64,
    /// Pairs of answers that were compared.
    pub compared: u64,
    /// Of these, those that differ by more than noise.
    pub different: u64,
    /// Of these, those with a difference that is not so rare that the live version may have it, too.
    pub certain: u64,
    /// Compared pairs that differ by noise only.
    pub noisy: u64,
    /// Compared pairs whose bodies were not compared, by reason.
    pub bodies_left_out: BTreeMap<LeftOut, u64>,
    /// Pairs of two answers of the live version that were compared to learn what is noise.
    pub second_compared: u64,
    /// In what they differ: first what is no noise, and of that first what came most often.
    pub differences: Vec<Difference>,
    /// Further differences that are not listed.
    pub not_listed: u64,
}

/// One way in which answers differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What, where, how often, with examples.
    #[serde(flatten)]
    pub group: DifferenceGroup,
    /// The live version differs so with itself, and not clearly less often.
    pub noise: bool,
    /// It is too rare to say that it is no noise: the live version was not asked twice often enough.
    #[serde(default)]
    pub unsure: bool,
}

impl ShadowSummary {
    /// Sums up what the gateways have counted. Unless the live version is asked twice, nothing is noise.
    #[must_use]
    pub fn of(
        total: &ShadowReport,
        gateways: Vec<String>,
        gone: Vec<String>,
        asks_twice: bool,
    ) -> ShadowSummary {
        let is_unsure = |group: &DifferenceGroup| asks_twice && !is_certain(total, group);
        let different = total.different_beyond(|group| is_noisy(total, group));
        let certain = total.different_beyond(|group| is_noisy(total, group) || is_unsure(group));
        let mut differences: Vec<Difference> = total
            .groups
            .iter()
            // What only the live version has with itself says nothing about the new one.
            .filter(|group| group.pairs > 0)
            .map(|group| {
                let noise = is_noisy(total, group);
                Difference { noise, unsure: !noise && is_unsure(group), group: group.clone() }
            })
            .collect();
        differences.sort_by_key(|one| (one.noise, one.unsure, std::cmp::Reverse(one.group.pairs)));
        let not_listed = differences.len().saturating_sub(MAX_DIFFERENCES) as u64;
        differences.truncate(MAX_DIFFERENCES);
        ShadowSummary {
            gateways,
            gone,
            sampled: total.sampled,
            skipped: total.skipped.clone(),
            sent: total.sent,
            unanswered: total.unanswered.clone(),
            dropped: total.dropped,
            compared: total.compared,
            different,
            certain,
            noisy: total.different().saturating_sub(different),
            bodies_left_out: total.bodies_left_out.clone(),
            second_compared: total.second_compared,
            differences,
            not_listed,
        }
    }

    /// Copies without an answer.
    #[must_use]
    pub fn no_answer(&self) -> u64 {
        self.unanswered.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Copies that have ended: the new version answered, or did not.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.compared.saturating_add(self.dropped).saturating_add(self.no_answer())
    }
}

/// Pairs of the live version with itself and of both versions.
fn pairs(total: &ShadowReport, group: &DifferenceGroup) -> (Differing, Differing) {
    let itself = Differing { pairs: total.second_compared, differing: group.itself };
    (itself, Differing { pairs: total.compared, differing: group.pairs })
}

/// Whether a group is noise.
fn is_noisy(total: &ShadowReport, group: &DifferenceGroup) -> bool {
    let (itself, versions) = pairs(total, group);
    is_noise(itself, versions)
}

/// Whether a group is so much more frequent between the versions that chance does not explain it.
fn is_certain(total: &ShadowReport, group: &DifferenceGroup) -> bool {
    let (itself, versions) = pairs(total, group);
    chance(itself, versions) <= CERTAIN
}

impl Difference {
    /// What and where: `body at $.price: number → text`.
    #[must_use]
    pub fn words(&self) -> String {
        let DifferenceGroup { kind, place, what, .. } = &self.group;
        let kind = match kind {
            DifferenceKind::Status => "status",
            DifferenceKind::ContentType => "content type",
            DifferenceKind::Header => "header",
            DifferenceKind::Body => "body",
        };
        match place.as_str() {
            "" => format!("{kind}: {what}"),
            place => format!("{kind} {place}: {what}"),
        }
    }

    /// What it is held for: `noise`, `perhaps noise`, `differs`.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match (self.noise, self.unsure) {
            (true, _) => "noise",
            (_, true) => "perhaps noise",
            _ => "differs",
        }
    }

    /// The requests in which it was seen: `GET /cart (1 → "1")`.
    #[must_use]
    pub fn examples(&self) -> Vec<String> {
        let one = |example: &telemetry::report::ShadowExample| match &example.values {
            Some(values) => format!("{} {} ({values})", example.method, example.path),
            None => format!("{} {}", example.method, example.path),
        };
        self.group.examples.iter().map(one).collect()
    }
}

/// Counts by reason: `3 timeout, 1 connect`; empty if there are none.
#[must_use]
pub(crate) fn by_reason<R: Serialize>(counts: &BTreeMap<R, u64>) -> String {
    let reason = |reason: &R| match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(text)) => text.replace('_', " "),
        _ => "other".to_owned(),
    };
    let words: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(key, count)| format!("{count} {}", reason(key)))
        .collect();
    words.join(", ")
}
