//! The guard of a rule: the armed rollback that a gateway carries out by itself.
//!
//! Releases write it with the share, so that whoever moves traffic arms the way back in the same write. Its numbers are
//! whole ones, so that what is written is what is read.

use crate::policy::{Hang, MAX_ANSWER_CHECKS, OnMissing};
use serde::{Deserialize, Serialize};

/// Longest id: it also names a file.
const MAX_ID: usize = 128;
/// Longest wait for a controller, milliseconds: 30 days.
const MAX_WAIT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// More requests without an answer than anybody waits for.
pub(crate) const MAX_HANG_REQUESTS: u64 = 1_000_000;
/// Shares are told in millionths.
const WHOLE_PPM: u32 = 1_000_000;

/// A guard that is armed. It stands in a service's split only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardRule {
    /// Unique for each attempt of a release. A gateway in which it has fired does not let it be armed again.
    pub id: String,
    /// The upstream that is guarded against: the new version's. When the guard fires, the others of the rule get all.
    pub new: String,
    /// Greatest share of failed requests, millionths; absent: not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_error_ppm: Option<u32>,
    /// Requests needed before that speaks.
    pub min_requests: u64,
    /// The share of failed requests, millionths, from which on a second of them is a total break.
    pub break_ppm: u32,
    /// When the new version answers nothing; absent: that is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang: Option<Hang>,
    /// The colours are compared so that a release that is no worse is taken back once in so many; absent: they are not
    /// compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_alarm_one_in: Option<u64>,
    /// Names of the checks of the business (`answers.checks`, in the same order), each of which is a bound of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// As `false_alarm_one_in`, for each of the checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_false_alarm_one_in: Option<u64>,
    /// As `false_alarm_one_in`, for each of the checks: that it cannot look at answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined_false_alarm_one_in: Option<u64>,
    /// As `false_alarm_one_in`: that answers begin and do not end within `hang.after_ms`. Not where users keep their version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unended_false_alarm_one_in: Option<u64>,
    /// Users keep their version: what is compared are users, each of whom counts once. With `checks`, who sets
    /// `unexamined_false_alarm_one_in` sets `check_false_alarm_one_in`, and who sets that `false_alarm_one_in`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_users: bool,
    /// How many times more likely a failure may be on the new version, percent.
    pub tolerance_percent: u32,
    /// What happens when no controller is there.
    pub controller_missing: OnMissing,
    /// So long after the end of the controller's lease it is missing, milliseconds.
    pub missing_after_ms: u64,
    /// So long after the controller gave its lease back, which a planned restart does, it is missing, milliseconds.
    pub planned_restart_ms: u64,
}

impl GuardRule {
    /// What is wrong with it, with the field.
    pub(super) fn mistake(&self) -> Option<String> {
        let names_file = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !self.id.starts_with('.') && self.id.bytes().all(names_file);
        if !is_name || !(1..=MAX_ID).contains(&self.id.len()) {
            return Some(format!("guard.id: must be 1 to {MAX_ID} of a-z, A-Z, 0-9, -, _ and ."));
        }
        if self.new.is_empty() || self.new.len() > MAX_ID {
            return Some("guard.new: must be the id of an upstream".to_owned());
        }
        if self.max_error_ppm.is_some_and(|ppm| ppm > WHOLE_PPM) {
            return Some(format!("guard.max_error_ppm: must be 0 to {WHOLE_PPM}"));
        }
        if !(1..=WHOLE_PPM).contains(&self.break_ppm) {
            return Some(format!("guard.break_ppm: must be 1 to {WHOLE_PPM}"));
        }
        if let Some(hang) = self.hang {
            if !(1..=MAX_HANG_REQUESTS).contains(&hang.requests) {
                return Some(format!("guard.hang.requests: must be 1 to {MAX_HANG_REQUESTS}"));
            }
            if !(1..=MAX_WAIT_MS).contains(&hang.after_ms) {
                return Some(format!("guard.hang.after_ms: must be 1 to {MAX_WAIT_MS}"));
            }
        }
        if self.checks.len() > MAX_ANSWER_CHECKS || self.checks.iter().any(|name| name.len() > MAX_ID) {
            return Some(format!("guard.checks: at most {MAX_ANSWER_CHECKS} names of {MAX_ID} bytes"));
        }
        let one_in = [
            ("check_false_alarm_one_in", self.check_false_alarm_one_in),
            ("unexamined_false_alarm_one_in", self.unexamined_false_alarm_one_in),
            ("unended_false_alarm_one_in", self.unended_false_alarm_one_in),
            ("false_alarm_one_in", self.false_alarm_one_in),
        ];
        if let Some((field, _)) = one_in.into_iter().find(|(_, one_in)| one_in.is_some_and(|it| it < 2)) {
            return Some(format!("guard.{field}: must be at least 2"));
        }
        if self.skips_what_users_are_asked_first() {
            let needed =
                "false_alarm_one_in, and check_false_alarm_one_in where unexamined_false_alarm_one_in is set";
            return Some(format!("guard.by_users: with checks that are compared it needs {needed}"));
        }
        if !(100..=100_000).contains(&self.tolerance_percent) {
            return Some("guard.tolerance_percent: must be 100 to 100000".to_owned());
        }
        let waits =
            [("missing_after_ms", self.missing_after_ms), ("planned_restart_ms", self.planned_restart_ms)];
        let wrong = waits.into_iter().find(|(_, ms)| *ms > MAX_WAIT_MS);
        wrong.map(|(field, _)| format!("guard.{field}: must be at most {MAX_WAIT_MS}"))
    }

    /// Users are asked whether they have failed, then what each check has said, then whether it could look: a gateway
    /// compares the first of these, as many as there are, and leaves none out in between.
    fn skips_what_users_are_asked_first(&self) -> bool {
        let is_compared = [
            self.false_alarm_one_in.is_some(),
            self.check_false_alarm_one_in.is_some(),
            self.unexamined_false_alarm_one_in.is_some(),
        ];
        self.by_users && !self.checks.is_empty() && !is_compared.is_sorted_by_key(|is_compared| !is_compared)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
