//! What a guard must not see: its bounds, from counts alone. Pure.
//!
//! *Absolute* bounds need no statistics: a share of failures over everything since the share was changed; a *break*, a
//! second in which much fails; a *hang*, requests that nobody answers; and *unended*, answers that begin and do not end. They are silent
//! when the old version fails alike: then going back helps nobody.
//! Whether the new version is worse than the old one beside it is the judge's *comparison*.

use super::compared::Compared;
use super::sums::Counted;
use super::tallied::Tallied;
use super::users::{UserLog, Users};
use judge::limits::{ENOUGH_TO_FAIL_ALL, Limits, Observed, Verdict, evaluate};
use judge::silence::{Blame, Heard, Listener, Moment, Patience, Silence, TURNS, Usual};
use model::traffic_split::GuardRule;
use std::collections::VecDeque;
use std::sync::Arc;
use telemetry::report::{Judged, Weighed};

/// The time in which a break must show, milliseconds.
const BREAK_MS: u64 = 1_000;
/// Most looks in it; beyond it the oldest go.
const MAX_LOOKS: usize = 64;
/// While the old version has a share and no request of it has ended, so long is waited for one before the new one alone
/// is said to be broken, milliseconds.
const UNHEARD_MS: u64 = 500;
/// The old version fails alike when its share of failures is at least this part of the new one's.
const ALIKE: f64 = 0.5;

/// Where users keep their version, so many different ones must have failed before an absolute bound speaks.
pub(super) const FAILING_USERS: u64 = 3;

/// A bound that was crossed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crossed {
    /// As in [`telemetry::report::GuardTrip::bound`].
    pub(super) bound: &'static str,
    pub(super) evidence: Vec<String>,
    pub(super) e_value: Option<f64>,
    /// The check of the business that has failed; `None`: requests have, or nothing that is counted.
    pub(super) check: Option<usize>,
    /// What was counted of the old version and the new one, where it is not what has failed.
    pub(super) judged: Option<[Judged; 2]>,
    /// It is about answers that a check could not look at.
    pub(super) is_unexamined: bool,
    /// So long after its first failure, milliseconds; `None`: since all that was counted.
    pub(super) found_in_ms: Option<u64>,
}

impl Crossed {
    /// An absolute bound that needs no count of failures.
    pub(super) fn absolute(bound: &'static str, evidence: Vec<String>) -> Crossed {
        let (e_value, check, judged, found_in_ms) = Default::default();
        Crossed { bound, evidence, e_value, check, judged, is_unexamined: false, found_in_ms }
    }
}

/// The bounds of one guard, and what of the last looks they need.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Of failures, and of each check of the business.
    absolute: Vec<Absolute>,
    /// Where a silent version is one.
    silence: Option<Listener>,
    /// Then so is one that begins answers and does not end them. Both go from turn to turn at the same looks.
    endless: Option<Listener>,
    compared: Compared,
}

/// The absolute bounds of one kind of failure.
#[derive(Debug)]
struct Absolute {
    /// The check of the business that it is about; `None`: failures.
    check: Option<(usize, String)>,
    limits: Limits,
    break_rate: f64,
    looks: VecDeque<Look>,
    stratum: u64,
}

/// What is counted at a moment, by one kind of failure.
#[derive(Clone, Copy, Debug)]
struct Seen {
    stratum: u64,
    old: Judged,
    new: Judged,
    late: [Judged; 2],
    concurrent: bool,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at_ms: u64,
    old: Judged,
    new: Judged,
}

impl Bounds {
    pub(super) fn new(rule: &GuardRule, threads: usize) -> Bounds {
        let of_checks = rule.checks.iter().cloned().enumerate().map(Some);
        Bounds {
            absolute: std::iter::once(None)
                .chain(of_checks)
                .map(|check| Absolute::new(rule, check))
                .collect(),
            silence: listener(rule),
            endless: listener(rule).map(|listener| {
                // The streams of one user who keeps the new version are no independent draws.
                listener.blaming(if rule.by_users { Blame::Unusual } else { Blame::Improbable })
            }),
            compared: Compared::armed(rule, threads),
        }
    }

    /// Whether two rules have the same bounds.
    pub(super) fn are_the_same(one: &GuardRule, other: &GuardRule) -> bool {
        let of = |rule: &GuardRule| {
            let comparison = (rule.false_alarm_one_in, rule.check_false_alarm_one_in, rule.tolerance_percent);
            let absolute = (rule.max_error_ppm, rule.min_requests, rule.break_ppm, rule.hang);
            let beside = (rule.unexamined_false_alarm_one_in, rule.unended_false_alarm_one_in);
            (absolute, rule.by_users, comparison, beside)
        };
        of(one) == of(other) && one.checks == other.checks
    }

    /// Looks at what is counted at `at_ms` of a clock that nobody sets. `usual` says, if it is asked, how many answers took
    /// longer than so many milliseconds to begin, and to end.
    pub(super) fn look(
        &mut self,
        at_ms: u64,
        counted: &Counted,
        mut usual: impl FnMut(u64) -> [Usual; 2],
    ) -> Option<Crossed> {
        let compared = self.compared.look(counted, self.turn());
        let mut absolute = None;
        for one in &mut self.absolute {
            // Each of them looks, whatever the one before found.
            let found = one.look(at_ms, counted);
            // One busy user for whom everything fails is no reason, however large a part of a small share it is.
            let failing = self.compared.users().map(|users| users.failing(one.place()));
            absolute = absolute.or(found.filter(|_| failing.is_none_or(|users| users >= FAILING_USERS)));
        }
        let silence = self.silence.as_mut();
        let silent = silence.and_then(|listener| silent(listener, at_ms, counted, &mut usual));
        let endless = self.endless.as_mut();
        let endless = endless.and_then(|listener| unended(listener, at_ms, counted, &mut usual));
        absolute.or(silent).or(endless).or(compared)
    }

    /// The turn in which requests are sent and answers begin from now on; 0: nobody listens.
    pub(super) fn turn(&self) -> usize {
        self.silence.as_ref().map_or(0, Listener::turn)
    }

    /// Where users are written down; `None`: they do not keep their version.
    pub(super) fn users(&self) -> Option<&Arc<UserLog>> {
        self.compared.users().map(Users::log)
    }

    /// How many users of the new version have failed, by all failures or by a check of the business.
    pub(super) fn failing(&self, check: Option<usize>) -> Option<u64> {
        self.compared.users().map(|users| users.failing(check))
    }

    /// What the comparisons have found.
    pub(super) fn evidence(&self) -> Vec<Weighed> {
        self.compared.evidence()
    }
}

impl Absolute {
    fn new(rule: &GuardRule, check: Option<(usize, String)>) -> Absolute {
        let rate = |ppm: u32| f64::from(ppm) / 1e6;
        let max_error_rate = rule.max_error_ppm.map(rate);
        Absolute {
            check,
            limits: Limits { max_error_rate, max_p99_ms: None, min_requests: rule.min_requests },
            // Who allows half of all requests to fail does not call a quarter a break.
            break_rate: rate(rule.break_ppm).max(max_error_rate.unwrap_or(0.0)),
            looks: VecDeque::with_capacity(MAX_LOOKS),
            stratum: 0,
        }
    }

    fn place(&self) -> Option<usize> {
        self.check.as_ref().map(|(place, _)| *place)
    }

    fn look(&mut self, at_ms: u64, counted: &Counted) -> Option<Crossed> {
        let by = self.place();
        let counted = Seen {
            stratum: counted.stratum,
            old: counted.old.by(by),
            new: counted.new.by(by),
            late: counted.late.map(|late| late.by(by)),
            concurrent: counted.concurrent,
        };
        let [late_old, late_new] = counted.late;
        let look = Look { at_ms, old: plus(counted.old, late_old), new: plus(counted.new, late_new) };
        if std::mem::replace(&mut self.stratum, counted.stratum) != counted.stratum {
            self.looks.clear();
            // All of it came since: in a new stratum every counter begins at 0.
            self.looks.push_back(Look { at_ms, old: late_old, new: late_new });
        }
        if self.looks.len() >= MAX_LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
        let crossed = self.broken(&counted).or_else(|| self.over_limit(&counted))?;
        let Some((place, check)) = &self.check else { return Some(crossed) };
        let evidence = crossed.evidence.iter().map(|one| format!("check {check}: {one}")).collect();
        Some(Crossed { evidence, check: Some(*place), ..crossed })
    }

    /// Within a second, counted from its first failure on, too much of the new version's requests have failed.
    fn broken(&mut self, counted: &Seen) -> Option<Crossed> {
        let now = *self.looks.back()?;
        while self.looks.front().is_some_and(|look| now.at_ms.saturating_sub(look.at_ms) > BREAK_MS) {
            self.looks.pop_front();
        }
        let next = self.looks.iter().skip(1);
        let first = self.looks.iter().zip(next).find(|(look, next)| next.new.failed > look.new.failed);
        let (base, _) = first?;
        let (old, new) = (minus(now.old, base.old), minus(now.new, base.new));
        let enough = new.failed >= ENOUGH_TO_FAIL_ALL && rate(new) >= self.break_rate;
        let for_ms = now.at_ms.saturating_sub(base.at_ms);
        let unheard = counted.concurrent && old.requests == 0 && for_ms < UNHEARD_MS;
        (enough && !unheard && !alike(old, new)).then(|| {
            let evidence = vec![format!("{} within {} ms{}", failed(new), for_ms.max(1), beside(old))];
            Crossed { found_in_ms: Some(for_ms), ..Crossed::absolute("break", evidence) }
        })
    }

    /// Since the share was changed, more has failed than the policy allows.
    fn over_limit(&self, counted: &Seen) -> Option<Crossed> {
        let Seen { old, new, .. } = *counted;
        self.limits.max_error_rate?;
        let observed = Observed { requests: new.requests, failed: new.failed, p99_ms: None };
        match evaluate(&observed, &self.limits) {
            Verdict::Fail { evidence } if !alike(old, new) => {
                let evidence = evidence.into_iter().map(|one| one + &beside(old)).collect();
                Some(Crossed::absolute("errors", evidence))
            }
            _ => None,
        }
    }
}

fn listener(rule: &GuardRule) -> Option<Listener> {
    let hang = rule.hang?;
    let listener = Listener::new(Patience { requests: hang.requests, after_ms: hang.after_ms });
    // One user who keeps the new version, and waits by nature, would be a few.
    Some(if rule.by_users { listener } else { listener.and_few() })
}

/// The new version takes requests and answers none.
fn silent(
    listener: &mut Listener,
    at_ms: u64,
    counted: &Counted,
    mut usual: impl FnMut(u64) -> [Usual; 2],
) -> Option<Crossed> {
    let of_heads = |side: &Tallied| (side.heard, side.waiting);
    let silence = quiet(listener, at_ms, counted, of_heads, |after_ms| {
        let [of_heads, _] = usual(after_ms);
        of_heads
    })?;
    Some(Crossed::absolute("hang", vec![silence.words()]))
}

/// It begins answers and ends none.
fn unended(
    listener: &mut Listener,
    at_ms: u64,
    counted: &Counted,
    mut usual: impl FnMut(u64) -> [Usual; 2],
) -> Option<Crossed> {
    let of_ends = |side: &Tallied| (side.ended(), side.open());
    let silence = quiet(listener, at_ms, counted, of_ends, |after_ms| {
        let [_, of_ends] = usual(after_ms);
        of_ends
    })?;
    Some(Crossed::absolute("unended", vec![silence.words_of_ends()]))
}

/// Shows a listener what is counted now; `of` says what a version is heard by, and who waits for that, by turns.
fn quiet(
    listener: &mut Listener,
    at_ms: u64,
    counted: &Counted,
    of: fn(&Tallied) -> (Heard, [u64; TURNS]),
    mut usual: impl FnMut(u64) -> Usual,
) -> Option<Silence> {
    let [_, late] = &counted.late;
    let ((old, _), (new, waiting), (late, _)) = (of(&counted.old), of(&counted.new), of(late));
    let moment = Moment {
        at_ms,
        stratum: counted.stratum,
        old,
        old_failed: counted.old.failed,
        new,
        waiting,
        late_heads: late.heads,
        concurrent: counted.concurrent,
    };
    let after_ms = listener.patience().after_ms;
    listener.look(&moment, || usual(after_ms))
}

/// Whether the old version fails as the new one does.
fn alike(old: Judged, new: Judged) -> bool {
    old.failed > 0 && rate(old) >= ALIKE * rate(new)
}

fn rate(counted: Judged) -> f64 {
    counted.failed as f64 / counted.requests.max(1) as f64
}

fn failed(counted: Judged) -> String {
    format!("{} of {} requests failed", counted.failed, counted.requests)
}

/// What came on the old version meanwhile, if anything did.
fn beside(old: Judged) -> String {
    if old.requests == 0 { String::new() } else { format!("; on the old version {}", failed(old)) }
}

fn plus(one: Judged, other: Judged) -> Judged {
    Judged {
        requests: one.requests.saturating_add(other.requests),
        failed: one.failed.saturating_add(other.failed),
    }
}

fn minus(now: Judged, before: Judged) -> Judged {
    Judged {
        requests: now.requests.saturating_sub(before.requests),
        failed: now.failed.saturating_sub(before.failed),
    }
}

#[cfg(test)]
mod tests;
