//! What the checks of the business have said of users' answers since the release's first change, by their names.

use super::Account;
use crate::counters::{hindrances, said};
use crate::plan::Plan;
use model::colour::Colour;
use model::record::{Answerer, Lane};
use serde::{Deserialize, Serialize};
use telemetry::counts::{Counts, Hindered};

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSummary {
    /// Its name.
    pub name: String,
    /// Of the old version's answers; `None`: there is no old version.
    pub old: Option<CheckOfVersion>,
    /// Of the new version's.
    pub new: CheckOfVersion,
}

/// What one check has said of one version's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOfVersion {
    /// The colour.
    pub colour: Colour,
    /// The version.
    pub version: String,
    /// Answers that it is content with.
    pub passed: u64,
    /// Answers that it is not content with.
    pub failed: u64,
    /// Answers that it could not look at.
    pub not_examined: u64,
    /// Of these, how many for which reason.
    #[serde(default, skip_serializing_if = "Hindered::is_nothing")]
    pub why: Hindered,
}

impl CheckSummary {
    /// Those of a plan.
    pub(crate) fn all(plan: Option<&Plan>, account: Option<&Account>) -> Vec<CheckSummary> {
        let Some((plan, lead)) = plan.and_then(|plan| Some((plan, plan.lead()?))) else { return Vec::new() };
        let counts = |colour| account.map(|account| account.of_users(colour)).unwrap_or_default();
        let old = lead.old.as_ref().map(|old| (old, counts(old.colour)));
        let new = counts(lead.new.colour);
        let of = |place: usize, colour, version: &String, counts: &Counts| {
            let said = said(counts, place);
            CheckOfVersion {
                colour,
                version: version.clone(),
                passed: said.passed,
                failed: said.failed,
                not_examined: said.unexamined,
                why: plan.checks.get(place).map(|check| hindrances(check, counts, said)).unwrap_or_default(),
            }
        };
        let one = |(place, check): (usize, &model::policy::AnswerCheck)| CheckSummary {
            name: check.name.clone(),
            old: old.as_ref().map(|(old, counts)| of(place, old.colour, &old.version, counts)),
            new: of(place, lead.new.colour, &lead.new.version, &new),
        };
        plan.checks.iter().enumerate().map(one).collect()
    }

    /// The rows of a table: the versions that were asked, the old one first.
    pub(super) fn rows(&self) -> impl Iterator<Item = &CheckOfVersion> {
        self.old.iter().chain([&self.new]).filter(|one| one.passed + one.failed + one.not_examined > 0)
    }
}

impl CheckOfVersion {
    /// How many were not examined, and why: `1204 (compressed 1204)`.
    pub(super) fn not_examined(&self, number: impl Fn(u64) -> String) -> String {
        let (count, why) = (number(self.not_examined), self.why.words());
        if why.is_empty() { count } else { format!("{count} ({why})") }
    }
}

impl Account {
    /// User traffic of a colour since the release's first change.
    #[must_use]
    pub fn of_users(&self, colour: Colour) -> Counts {
        let mut sum = Counts::default();
        let is_users = |row: &&super::Row| row.answerer == Answerer::from(colour) && row.lane == Lane::Share;
        self.rows.iter().filter(is_users).for_each(|row| sum.merge(&row.counts));
        sum
    }
}
