//! Silence: a version that takes requests and answers none. Absolute, like [`crate::limits`], and about what has *not*
//! ended: nothing of it fails before a timeout.
//!
//! Asked is whether an answer has begun, not whether one has ended, so long downloads and streams are no silence. The rule:
//! since the last head of an answer of the new version so many requests were sent to it, whole, so long ago, and no head
//! came since; while the old version answers.
//!
//! What counts as "the old version answers", so that an app whose answers take long by their nature is not blamed:
//!
//! * While the old version was asked in the same time: as many of *these* requests as are certain to have been answered, and
//!   answered well, are at least one, and half of what it was asked. What waited before may have been what was answered
//!   since, so it is taken off. And that must have held for half the patience: where both were silent and the old version
//!   speaks first, the new one has as long to do so, too.
//! * While it was asked less than that many requests, or nothing (it has no share): of the answers that are known, at most one in a
//!   hundred took longer than the patience, and they are so many that those that are missing now, too, would be at most a
//!   tenth. Where requests wait for half a minute by their nature, silence says nothing; nor does it to a gateway that has
//!   just begun to count.
//!
//! Counted with those that were sent since the last head are those that waited when it came and had not waited for the whole
//! patience yet: clients of whom each waits for its answer before it asks again are all in there when a version falls
//! silent. Who had waited for longer, while others were answered, is a long poll. They are told apart by the *turn* in which they
//! were sent, of half the patience each.
//!
//! Fewer requests ([`FEW`]) are heard as well, if they wait [`LONG`] times as long, and that is next to never seen
//! ([`Listener::and_few`]): of the answers that are known, at most one in [`LONG_ONE_IN`] took so long, and each that is missing
//! stands against [`KNOWN_FOR_EACH`] of them; and whoever waits for the old version at that moment has waited less than the
//! patience since its last answer.
//!
//! The same listener hears answers that begin and do not end: then *asked* are answers that have begun, and *heads* are those that
//! have ended. Streams are commoner than silence, and several may follow each other by chance, so there half is not enough
//! ([`Blame`]); what falls on the new version more often than on the old one is for a comparison ([`crate::unended`]).
//!
//! Time is what was watched: two looks are at most [`MAX_STEP_MS`] apart, so a machine that was stopped has heard nothing
//! and blames nobody for it.

mod asked;
mod quiet;

pub use quiet::{Quiet, Waits};

use asked::Asked;
use serde::{Deserialize, Serialize};

/// Turns that are told apart; each later one shares the place of one of them.
pub const TURNS: usize = 4;
/// What two looks may add to the time that was watched, milliseconds.
pub const MAX_STEP_MS: u64 = 100;
/// Where more than one answer in so many takes longer than the patience, silence is usual: slow ones come together.
const SLOW_ONE_IN: u64 = 100;
/// With those that have no answer now, there must be this many times as many.
const SILENT_ONE_IN: u64 = 10;

/// So few requests are a hang, too ...
pub const FEW: u64 = 2;
/// ... if they wait so many times as long ...
pub const LONG: u64 = 10;
/// ... and at most one answer in so many has taken that long ...
pub const LONG_ONE_IN: u64 = 10_000;
/// ... of which so many are known for each that is missing.
pub const KNOWN_FOR_EACH: u64 = 100;

/// How improbable it must be that so many in a row take long by their nature, where that is asked.
const IMPROBABLE: f64 = 1e-9;

/// What an old version that answers at least half of what it is asked says of a new one that answers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// That it is to blame.
    Half,
    /// That it is, if it is next to impossible that as many of the old version's in a row take so long: `IMPROBABLE`, were each of them
    /// an independent draw. Else what is known is asked as well.
    Improbable,
    /// Nothing alone: what is known must say that next to none takes so long.
    Unusual,
}

/// How much silence is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Requests that have no answer; 0 counts as 1.
    pub requests: u64,
    /// So long, milliseconds; 0 counts as 1.
    pub after_ms: u64,
}

/// What one side was asked and has answered, cumulative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Requests that were sent to it whole.
    pub asked: u64,
    /// Of these, those that were over so soon, without an answer, that it says nothing.
    pub withdrawn: u64,
    /// Heads of answers that have come.
    pub heads: u64,
    /// Requests that were over without one, those that were withdrawn among them.
    pub unheard: u64,
}

impl Heard {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Heard) -> Heard {
        self.joined(other, u64::saturating_add)
    }

    /// Both counter by counter.
    #[must_use]
    pub fn joined(self, other: Heard, join: fn(u64, u64) -> u64) -> Heard {
        Heard {
            asked: join(self.asked, other.asked),
            withdrawn: join(self.withdrawn, other.withdrawn),
            heads: join(self.heads, other.heads),
            unheard: join(self.unheard, other.unheard),
        }
    }

    /// Requests that wait for their answer to begin.
    #[must_use]
    pub fn waiting(self) -> u64 {
        self.asked.saturating_sub(self.heads).saturating_sub(self.unheard)
    }
}

/// What answers take, as far as they are known, of either version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// Whole answers, and requests of the old version that have none.
    pub answers: u64,
    /// Of these, how many took longer than the patience, or have none.
    pub slow: u64,
    /// Of these, how many took longer than [`LONG`] times the patience, or were over without an answer.
    pub long: u64,
}

/// What is known at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// When, milliseconds on a clock that nobody sets.
    pub at_ms: u64,
    /// Under which shares; the counters of `old` and `new` begin at 0 with it.
    pub stratum: u64,
    /// The old version.
    pub old: Heard,
    /// Of the old version, requests that failed.
    pub old_failed: u64,
    /// The new version.
    pub new: Heard,
    /// Requests of the new version that wait, by the turn in which they were sent ([`Listener::turn`]).
    pub waiting: [u64; TURNS],
    /// Heads of answers of the new version to what it was asked in the stratum before.
    pub late_heads: u64,
    /// The old version has a share.
    pub concurrent: bool,
}

/// The new version is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Requests that have no answer for as long as the patience says.
    pub requests: u64,
    /// How long no head of an answer has come, milliseconds.
    pub for_ms: u64,
    /// The patience that is over, milliseconds.
    pub after_ms: u64,
    /// What the old version was asked in the same time, and of that what it is certain to have answered; `None`: it was
    /// not asked.
    pub old: Option<(u64, u64)>,
    /// Where they are few: all answers that are known, and how many of them took so long.
    pub known: Option<(u64, u64)>,
}

impl Silence {
    /// `9 requests that were sent 2000 ms ago or earlier have no answer, and none has begun for 2040 ms; the old version has
    /// answered at least 80 of 84 meanwhile`.
    #[must_use]
    pub fn words(&self) -> String {
        self.told("request", "that were sent", "no answer, and none has begun", "answered")
    }

    /// The same of answers that have begun: `9 answers that began 2000 ms ago or earlier have not ended, and none has ended for 2040
    /// ms; the old version has ended at least 80 of 84 meanwhile`.
    #[must_use]
    pub fn words_of_ends(&self) -> String {
        self.told("answer", "that began", "not ended, and none has ended", "ended")
    }

    fn told(&self, what: &str, since: &str, none: &str, done: &str) -> String {
        let Silence { requests, for_ms, after_ms, old, known } = self;
        let (plural, have) = if *requests == 1 { ("", "has") } else { ("s", "have") };
        let beside = old.map_or(String::new(), |(asked, answered)| {
            format!("; the old version has {done} at least {answered} of {asked} meanwhile")
        });
        let known = known.map_or(String::new(), |(answers, long)| {
            format!("; of {answers} answers that are known {long} took so long")
        });
        format!(
            "{requests} {what}{plural} {since} {after_ms} ms ago or earlier {have} {none} for {for_ms} ms{beside}{known}"
        )
    }
}

/// Listens to both versions.
#[derive(Debug)]
pub struct Listener {
    patience: Patience,
    last_at_ms: Option<u64>,
    watched_ms: u64,
    base: Base,
    /// Since when the old version answers what it is asked, or is not asked, in watched time; `None`: it does not answer.
    old_answers_since: Option<u64>,
    turns: Turns,
    blame: Blame,
    asked: Asked,
    /// Where few requests are heard as well.
    long_asked: Option<Asked>,
    old_is: Quiet,
}

/// Which turn it is, and what waits from turns that had the same place.
#[derive(Clone, Copy, Debug)]
struct Turns {
    number: usize,
    began_ms: u64,
    left: [u64; TURNS],
}

impl Default for Turns {
    fn default() -> Turns {
        // 0 is what those have who were told of none.
        Turns { number: 1, began_ms: 0, left: [0; TURNS] }
    }
}

impl Turns {
    /// Requests that were sent in this turn or the one before, and wait.
    fn recent(&self, waiting: &[u64; TURNS]) -> u64 {
        let of = |number: usize| {
            let place = number % TURNS;
            let now = waiting.get(place).copied().unwrap_or(0);
            now.saturating_sub(self.left.get(place).copied().unwrap_or(0))
        };
        let before = self.number.checked_sub(1).map_or(0, of);
        of(self.number).saturating_add(before)
    }

    /// Goes on to the next turn when this one was long enough.
    fn go_on(&mut self, now_ms: u64, length_ms: u64, waiting: &[u64; TURNS]) {
        if now_ms.saturating_sub(self.began_ms) >= length_ms {
            (self.number, self.began_ms) = (self.number.wrapping_add(1), now_ms);
            let place = self.number % TURNS;
            if let (Some(left), Some(waiting)) = (self.left.get_mut(place), waiting.get(place)) {
                *left = *waiting;
            }
        }
    }
}

/// What was known when the last head of an answer of the new version had come, or the shares were changed.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    at_ms: u64,
    stratum: u64,
    /// Heads of the new version, before the stratum, too.
    heads: u64,
    old: Heard,
    old_failed: u64,
    new: Heard,
    /// Requests of the new version that waited then, but not for long yet.
    recent: u64,
}

impl Listener {
    /// Nothing has been heard yet.
    #[must_use]
    pub fn new(patience: Patience) -> Listener {
        let patience = Patience { requests: patience.requests.max(1), after_ms: patience.after_ms.max(1) };
        Listener {
            patience,
            last_at_ms: None,
            watched_ms: 0,
            base: Base::default(),
            old_answers_since: None,
            turns: Turns::default(),
            blame: Blame::Half,
            asked: Asked::new(patience.after_ms),
            long_asked: None,
            old_is: Quiet::default(),
        }
    }

    /// Also hears fewer requests than the patience says, when they wait for long. Not where one user can be all that a version
    /// has: that his requests are slow by nature is known of nobody else.
    #[must_use]
    pub fn and_few(self) -> Listener {
        let after_ms = self.patience.after_ms.saturating_mul(LONG);
        Listener { long_asked: Some(Asked::new(after_ms)), ..self }
    }

    /// Blames the new version by this; if not told, by [`Blame::Half`].
    #[must_use]
    pub fn blaming(self, blame: Blame) -> Listener {
        Listener { blame, ..self }
    }

    /// What it was made with; nothing in it is 0.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The turn in which requests are sent to the new version from now on, from 1 on: asked after each look.
    #[must_use]
    pub fn turn(&self) -> usize {
        self.turns.number
    }

    /// Looks at what is known now. Looks come in the order of time. `usual` is asked only if it matters.
    pub fn look(&mut self, moment: &Moment, mut usual: impl FnMut() -> Usual) -> Option<Silence> {
        let last = self.last_at_ms.replace(moment.at_ms);
        let step = last.map_or(0, |last| moment.at_ms.saturating_sub(last));
        self.watched_ms = self.watched_ms.saturating_add(step.min(MAX_STEP_MS));
        let heads = moment.new.heads.saturating_add(moment.late_heads);
        if last.is_none() || (moment.stratum, heads) != (self.base.stratum, self.base.heads) {
            let is_first = last.is_none() || moment.stratum != self.base.stratum;
            if is_first {
                // What waits on counters that were there before has no known age.
                let left = if last.is_none() { moment.waiting } else { [0; TURNS] };
                self.turns = Turns { began_ms: self.watched_ms, left, ..Turns::default() };
            }
            // All of it came since, unless some of it is answered already.
            self.begin(moment, heads, is_first && moment.new.heads == 0);
        }
        self.asked.note(self.watched_ms, moment.new.asked);
        if let Some(asked) = &mut self.long_asked {
            asked.note(self.watched_ms, moment.new.asked);
        }
        self.turns.go_on(self.watched_ms, (self.patience.after_ms / 2).max(1), &moment.waiting);
        let beside = self.beside(moment);
        let answers =
            beside.is_none_or(|(asked, answered)| answered > 0 && answered.saturating_mul(2) >= asked);
        let since = self.old_answers_since.unwrap_or(self.watched_ms);
        self.old_answers_since = answers.then_some(since);
        let old_waits = self.old_is.look(self.watched_ms, moment.old);
        let many = self.many(moment, beside, &mut usual);
        many.or_else(|| self.few(moment, beside, old_waits, &mut usual))
    }

    /// As many as the patience says.
    fn many(
        &self,
        moment: &Moment,
        beside: Option<(u64, u64)>,
        usual: &mut impl FnMut() -> Usual,
    ) -> Option<Silence> {
        let requests = self.unanswered(moment, &self.asked, self.patience.requests)?;
        let old = self.blamed_by(requests, beside, usual)?;
        Some(self.silence(requests, self.patience.after_ms, old, None))
    }

    /// Fewer, for so long as next to nobody ever waits.
    fn few(
        &self,
        moment: &Moment,
        beside: Option<(u64, u64)>,
        old_waits: Waits,
        usual: &mut impl FnMut() -> Usual,
    ) -> Option<Silence> {
        let asked = self.long_asked.as_ref()?;
        let requests = self.unanswered(moment, asked, FEW.min(self.patience.requests))?;
        let old_is_heard = old_waits.unanswered_ms.is_none_or(|ms| ms < self.patience.after_ms);
        if !self.old_answers_long_enough() || (old_waits.requests > 0 && !old_is_heard) {
            return None;
        }
        let Usual { answers, long, .. } = usual();
        let is_unheard_of =
            long.saturating_mul(LONG_ONE_IN) <= answers && requests.saturating_mul(KNOWN_FOR_EACH) <= answers;
        is_unheard_of.then(|| self.silence(requests, asked.after_ms, beside, Some((answers, long))))
    }

    fn silence(
        &self,
        requests: u64,
        after_ms: u64,
        old: Option<(u64, u64)>,
        known: Option<(u64, u64)>,
    ) -> Silence {
        let for_ms = self.watched_ms.saturating_sub(self.base.at_ms);
        Silence { requests, for_ms, after_ms, old, known }
    }

    /// A head has come, or the shares were changed: silence begins here at the earliest.
    fn begin(&mut self, moment: &Moment, heads: u64, from_nothing: bool) {
        let (old, old_failed, new, recent) = match from_nothing {
            true => (Heard::default(), 0, Heard::default(), 0),
            false => (moment.old, moment.old_failed, moment.new, self.turns.recent(&moment.waiting)),
        };
        let (at_ms, stratum) = (self.watched_ms, moment.stratum);
        self.base = Base { at_ms, stratum, heads, old, old_failed, new, recent };
        self.old_answers_since = None;
        self.asked.clear();
        if let Some(asked) = &mut self.long_asked {
            asked.clear();
        }
    }

    /// How many requests have no answer, and were sent so long ago that it is silence, if they are enough.
    fn unanswered(&self, moment: &Moment, asked: &Asked, enough: u64) -> Option<u64> {
        let asked = asked.by_then(self.watched_ms)?;
        let before = self.base.new.asked.saturating_sub(self.base.new.withdrawn);
        let asked = asked.saturating_add(self.base.recent);
        // Those that were withdrawn are taken off whenever they were asked: rather too many.
        let requests = asked.saturating_sub(moment.new.withdrawn).saturating_sub(before);
        (requests >= enough).then_some(requests)
    }

    /// What the old version was asked meanwhile, and of that what it is certain to have answered; `None`: it was not asked.
    fn beside(&self, moment: &Moment) -> Option<(u64, u64)> {
        let Base { old, old_failed, .. } = self.base;
        let effective = |heard: Heard| heard.asked.saturating_sub(heard.withdrawn);
        let asked = effective(moment.old).saturating_sub(effective(old));
        (moment.concurrent && asked > 0).then(|| {
            let heads = moment.old.heads.saturating_sub(old.heads);
            let failed = moment.old_failed.saturating_sub(old_failed);
            (asked, heads.saturating_sub(old.waiting()).saturating_sub(failed))
        })
    }

    /// Whether the old version has answered what it is asked, or was not asked, for as long as the new one may take to do so, too.
    fn old_answers_long_enough(&self) -> bool {
        let for_ms = self.old_answers_since.map(|since| self.watched_ms.saturating_sub(since));
        for_ms.is_some_and(|ms| ms >= self.patience.after_ms / 2)
    }

    /// What the old version was asked and has answered; the outer `None`: what is known does not blame the new one.
    fn blamed_by(
        &self,
        requests: u64,
        beside: Option<(u64, u64)>,
        usual: &mut impl FnMut() -> Usual,
    ) -> Option<Option<(u64, u64)>> {
        if !self.old_answers_long_enough() {
            return None;
        }
        let beside_enough = beside.filter(|(asked, _)| *asked >= self.patience.requests);
        let is_blamed = |(asked, answered): (u64, u64)| match self.blame {
            Blame::Half => true,
            Blame::Improbable => {
                let silent = asked.saturating_sub(answered) as f64 + 1.0;
                requests as f64 * (silent / (asked as f64 + 2.0)).ln() <= IMPROBABLE.ln()
            }
            Blame::Unusual => false,
        };
        if beside_enough.is_some_and(is_blamed) {
            return Some(beside);
        }
        let Usual { answers, slow, .. } = usual();
        let silent = slow.saturating_add(self.patience.requests);
        let is_unusual =
            slow.saturating_mul(SLOW_ONE_IN) <= answers && silent.saturating_mul(SILENT_ONE_IN) <= answers;
        is_unusual.then_some(beside)
    }
}

#[cfg(test)]
mod tests;
