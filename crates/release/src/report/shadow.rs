//! What a shadow gate found, as it stands in the journal and the report: bounded, and without anything that only the
//! gateways need.

use judge::noise::{Differing, is_noise};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use telemetry::report::{DifferenceGroup, DifferenceKind, LeftOut, ShadowReport, Skipped, Unanswered};

/// Most differences that are kept.
const MAX_DIFFERENCES: usize = 40;

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
    /// Of these, those that differ by noise only.
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
}

impl ShadowSummary {
    /// Sums up what the gateways have counted.
    #[must_use]
    pub fn of(total: &ShadowReport, gateways: Vec<String>, gone: Vec<String>) -> ShadowSummary {
        let different = total.different_beyond(|group| is_noisy(total, group));
        let mut differences: Vec<Difference> = total
            .groups
            .iter()
            // What only the live version has with itself says nothing about the new one.
            .filter(|group| group.pairs > 0)
            .map(|group| Difference { noise: is_noisy(total, group), group: group.clone() })
            .collect();
        differences.sort_by_key(|one| (one.noise, std::cmp::Reverse(one.group.pairs)));
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

/// Whether a group is noise.
fn is_noisy(total: &ShadowReport, group: &DifferenceGroup) -> bool {
    let itself = Differing { pairs: total.second_compared, differing: group.itself };
    is_noise(itself, Differing { pairs: total.compared, differing: group.pairs })
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
