//! What a gateway has found by copying requests to the new version and comparing its answers with the live one's.
//!
//! Exact counts that add: several gateways make one account. What differs is told in *groups*, by kind and place, never
//! by single requests; their number is bounded, and what found no place is counted. Which group is noise is not decided
//! here but by who reads it (`judge::noise`).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most groups of differences that are told.
pub const MAX_GROUPS: usize = 64;
/// Most sets of groups that are told.
pub const MAX_PATTERNS: usize = 256;
/// Most examples of a group.
pub const MAX_EXAMPLES: usize = 3;

/// One shadow in one gateway, or summed over some.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShadowReport {
    /// Its id.
    pub id: String,
    /// Requests that were drawn for a copy.
    pub sampled: u64,
    /// Of these, those that were not copied, by reason.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Copies that were sent to the new version; each ends as compared, unanswered or dropped, or is still under way.
    pub sent: u64,
    /// Copies under way now.
    pub in_flight: u64,
    /// Copies that the new version did not answer, by reason.
    pub unanswered: BTreeMap<Unanswered, u64>,
    /// Answered copies that were not compared, because too many waited for it.
    pub dropped: u64,
    /// Pairs of answers, of the live version and the new one, that were compared.
    pub compared: u64,
    /// Of these, those without any difference.
    pub same: u64,
    /// Compared pairs whose bodies were not compared, by reason; the rest was.
    pub bodies_left_out: BTreeMap<LeftOut, u64>,
    /// Requests that were sent to the live version once more.
    pub second_sent: u64,
    /// Of these, those whose answer was compared with the live version's first one.
    pub second_compared: u64,
    /// Of these, those with a difference.
    pub second_different: u64,
    /// What differed, in the order in which it was first seen; at most [`MAX_GROUPS`].
    pub groups: Vec<DifferenceGroup>,
    /// Which groups differed together; at most [`MAX_PATTERNS`].
    pub patterns: Vec<Pattern>,
    /// Compared pairs (of both versions) with a difference that has no place in `groups` or `patterns`.
    pub unlisted: u64,
    /// Why no copies are made, although the rule asks for them; `None`: they are.
    pub refused: Option<String>,
}

/// Answers that differ in the same way at the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceGroup {
    /// What of the answer.
    pub kind: DifferenceKind,
    /// Where: the name of a header, lower case; a place in a JSON body such as `$.items[*].price`; else empty.
    pub place: String,
    /// In what way: `200 → 500`, `missing`, `added`, `number → text`, `value`, …
    pub what: String,
    /// Pairs of the live version and the new one that differ so.
    pub pairs: u64,
    /// Pairs of two answers of the live version that differ so.
    pub itself: u64,
    /// The first requests whose answers differed so; at most [`MAX_EXAMPLES`].
    pub examples: Vec<ShadowExample>,
}

/// What of an answer differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The status.
    Status,
    /// The media type.
    ContentType,
    /// A header that the rule names.
    Header,
    /// The body.
    Body,
}

/// A request whose answers differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowExample {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Both values, where the rule says that they may be shown: `1 → "1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
}

/// Pairs of the live version and the new one in which just these groups differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// Their positions in `groups`, ascending.
    pub groups: Vec<u16>,
    /// How many pairs.
    pub pairs: u64,
}

/// Why a drawn request was not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// Its method is none of those that are copied.
    Method,
    /// It is a WebSocket or a call of gRPC.
    Stream,
    /// Its body is larger than those that are copied.
    Size,
    /// There were enough in this second.
    Rate,
    /// Enough were under way.
    InFlight,
    /// The memory for all copies was in use.
    Memory,
    /// The live version gave no whole answer, or the client did not wait for it.
    Unfinished,
    /// The rule was taken away before the answer was whole.
    Over,
}

/// Why a copy has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// No node could be connected to.
    Connect,
    /// The time was over.
    Timeout,
    /// The connection broke off before the answer was whole.
    Closed,
    /// What came is no answer.
    Malformed,
}

/// Why the bodies of a pair were not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// One is larger than those that are kept.
    Size,
    /// They are compressed, and not the same bytes.
    Encoded,
    /// The memory for all copies was in use.
    Memory,
}

impl ShadowReport {
    /// Compared pairs of both versions with a difference, noise included.
    #[must_use]
    pub fn different(&self) -> u64 {
        self.compared.saturating_sub(self.same)
    }

    /// Compared pairs with a difference in a group that is not left out; those that are not listed count, too.
    #[must_use]
    pub fn different_beyond(&self, left_out: impl Fn(&DifferenceGroup) -> bool) -> u64 {
        let counts: Vec<bool> = self.groups.iter().map(|group| !left_out(group)).collect();
        let speaks = |at: &u16| counts.get(usize::from(*at)).copied().unwrap_or(true);
        let speaking = self.patterns.iter().filter(|pattern| pattern.groups.iter().any(speaks));
        speaking.map(|pattern| pattern.pairs).fold(self.unlisted, u64::saturating_add)
    }

    /// Adds what another gateway has counted.
    pub fn merge(&mut self, other: &ShadowReport) {
        let sums = [
            (&mut self.sampled, other.sampled),
            (&mut self.sent, other.sent),
            (&mut self.in_flight, other.in_flight),
            (&mut self.dropped, other.dropped),
            (&mut self.compared, other.compared),
            (&mut self.same, other.same),
            (&mut self.second_sent, other.second_sent),
            (&mut self.second_compared, other.second_compared),
            (&mut self.second_different, other.second_different),
            (&mut self.unlisted, other.unlisted),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        add(&mut self.skipped, &other.skipped);
        add(&mut self.unanswered, &other.unanswered);
        add(&mut self.bodies_left_out, &other.bodies_left_out);
        if self.refused.is_none() {
            self.refused.clone_from(&other.refused);
        }
        let places: Vec<Option<u16>> = other.groups.iter().map(|group| self.add_group(group)).collect();
        for pattern in &other.patterns {
            let place = |at: &u16| places.get(usize::from(*at)).copied().flatten();
            let groups: Option<Vec<u16>> = pattern.groups.iter().map(place).collect();
            self.add_pattern(groups, pattern.pairs);
        }
    }

    /// Counts `pairs` pairs of both versions in which just these groups differed; `None`: some of them have no place.
    pub fn add_pattern(&mut self, groups: Option<Vec<u16>>, pairs: u64) {
        if let Some(mut groups) = groups {
            groups.sort_unstable();
            if let Some(known) = self.patterns.iter_mut().find(|known| known.groups == groups) {
                known.pairs = known.pairs.saturating_add(pairs);
                return;
            }
            if self.patterns.len() < MAX_PATTERNS {
                self.patterns.push(Pattern { groups, pairs });
                return;
            }
        }
        self.unlisted = self.unlisted.saturating_add(pairs);
    }

    /// Adds the counts of a group to the one of the same kind and place, and gives its position; `None`: there is no
    /// place left.
    pub fn add_group(&mut self, group: &DifferenceGroup) -> Option<u16> {
        let is_same = |known: &DifferenceGroup| {
            known.kind == group.kind && known.place == group.place && known.what == group.what
        };
        let at = match self.groups.iter().position(is_same) {
            Some(at) => at,
            None if self.groups.len() < MAX_GROUPS => {
                let none = DifferenceGroup { pairs: 0, itself: 0, examples: Vec::new(), ..group.clone() };
                self.groups.push(none);
                self.groups.len() - 1
            }
            None => return None,
        };
        let known = self.groups.get_mut(at)?;
        known.pairs = known.pairs.saturating_add(group.pairs);
        known.itself = known.itself.saturating_add(group.itself);
        let room = MAX_EXAMPLES.saturating_sub(known.examples.len());
        known.examples.extend(group.examples.iter().take(room).cloned());
        u16::try_from(at).ok()
    }
}

fn add<K: Copy + Ord>(sums: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        let sum = sums.entry(*key).or_default();
        *sum = sum.saturating_add(*count);
    }
}

#[cfg(test)]
mod tests;
