//! What a run found, and the verdict on it. Pure.

use super::comparison::Comparison;
use super::side::{Side, milliseconds};
use super::slices::{PERCENTILES, thresholds};
use super::users::Users;
use crate::gate::Verdict;
use judge::limits::{self, Limits};
use judge::tally::Tally;
use model::policy::Load;
use std::time::Duration;
use telemetry::sketch::Sketch;

/// Why the load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything was sent and has ended.
    Complete,
    /// The new version is worse: nothing more need be known.
    Alarm,
    /// The live version suffers.
    LiveSuffers(String),
    /// It could not go on.
    Stuck(String),
}

/// The live version's part in a run.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    /// Its colour and version.
    pub(super) name: String,
    pub(super) side: Side,
    pub(super) comparison: Comparison,
    /// `None`: the gateways' counters cannot be read.
    pub(super) users: Option<Users>,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub(super) struct Finding<'a> {
    pub(super) load: &'a Load,
    /// The new version's colour and version.
    pub(super) name: String,
    pub(super) new: Side,
    /// `None`: no version is live.
    pub(super) live: Option<Baseline>,
    pub(super) end: End,
    /// Samples that were lost.
    pub(super) untold: u64,
}

impl Finding<'_> {
    /// The verdict, and why in one line. What the load did to the live version comes first, then errors of the new one,
    /// which no lateness of the generator excuses; times only count if the generator kept its rate.
    pub(super) fn verdict(&self) -> (Verdict, String) {
        if let End::LiveSuffers(why) = &self.end {
            return (Verdict::Inconclusive, format!("the load was stopped for the live version: {why}"));
        }
        let comparison = self.live.as_ref().map(|live| &live.comparison);
        if let Some(why) = comparison.and_then(Comparison::fails_more).or_else(|| self.breaks(None)) {
            return (Verdict::Fail, format!("{} {why}", self.name));
        }
        if let Some(why) = self.lateness() {
            return (Verdict::Inconclusive, why);
        }
        if let Some(why) =
            comparison.and_then(Comparison::is_slower).or_else(|| self.breaks(self.load.max_p99_ms))
        {
            return (Verdict::Fail, format!("{} {why}", self.name));
        }
        if let End::Stuck(why) = &self.end {
            return (Verdict::Inconclusive, why.clone());
        }
        if let Some(why) = self.too_few() {
            return (Verdict::Inconclusive, why);
        }
        if let Some(why) = self.slower_unproven() {
            return (Verdict::Inconclusive, why);
        }
        (Verdict::Pass, self.summary())
    }

    /// Whether the new version's median is above what is allowed although its slowness was not proven: not a pass.
    fn slower_unproven(&self) -> Option<String> {
        let live = self.live.as_ref()?;
        let (new_us, live_us) = (self.new.quantile_us(0.5)?, live.side.quantile_us(0.5)?);
        let [allowed, ..] = thresholds([live_us; PERCENTILES.len()], self.load.max_slowdown);
        (Duration::from_micros(new_us) > allowed).then(|| {
            format!(
                "{} has a median of {}, {} one of {}: more than is allowed, and not proven",
                self.name,
                milliseconds(new_us),
                live.name,
                milliseconds(live_us)
            )
        })
    }

    /// Whether the load hurt the live version, so that it must not be sent again by itself.
    pub(super) fn did_harm(&self) -> bool {
        matches!(self.end, End::LiveSuffers(_))
    }

    /// Which absolute limit the new version breaks: that of errors, or with `max_p99_ms` that of times.
    fn breaks(&self, max_p99_ms: Option<u64>) -> Option<String> {
        let max_error_rate = max_p99_ms.is_none().then_some(self.load.max_error_rate);
        let limits = Limits { max_error_rate, max_p99_ms, min_requests: self.load.min_answers };
        match limits::evaluate(&self.new.observed(), &limits) {
            limits::Verdict::Fail { evidence } => Some(format!("breaks a limit: {}", evidence.join("; "))),
            limits::Verdict::Pass { .. } | limits::Verdict::Inconclusive { .. } => None,
        }
    }

    /// Whether the generator was too late to say anything about times.
    fn lateness(&self) -> Option<String> {
        if self.untold > 0 {
            return Some(format!("the load generator lost {} of its own counts", self.untold));
        }
        let late_us = self.lag().quantile(0.99)?;
        let limit_ms = self.load.max_lag_ms;
        (late_us > limit_ms.saturating_mul(1_000)).then(|| {
            format!(
                "the load generator could not keep the rate of {}/s: one in a hundred requests began {} late or more, limit {limit_ms} ms",
                self.load.rate_per_second,
                milliseconds(late_us)
            )
        })
    }

    fn too_few(&self) -> Option<String> {
        let sides = [Some((&self.name, &self.new)), self.live.as_ref().map(|live| (&live.name, &live.side))];
        let needed = self.load.min_answers;
        sides.into_iter().flatten().find(|(_, side)| side.measured() < needed).map(|(name, side)| {
            format!(
                "{name} gave {} answers after the warm-up, {needed} are needed for a verdict",
                side.measured()
            )
        })
    }

    fn lag(&self) -> Sketch {
        let mut lag = self.new.lag().clone();
        if let Some(live) = &self.live {
            lag.merge(live.side.lag());
        }
        lag
    }

    fn summary(&self) -> String {
        let rate = self.load.rate_per_second;
        let of = |side: &Side| {
            let Tally { units, failed } = side.failures();
            let p99 = side.quantile_us(0.99).map(milliseconds).unwrap_or_default();
            format!("{failed} of {units} failed, p99 {p99}")
        };
        match &self.live {
            Some(live) => {
                format!("{rate}/s: {} {}; {} {}", self.name, of(&self.new), live.name, of(&live.side))
            }
            None => format!("{rate}/s: {} {}; nothing is live to compare with", self.name, of(&self.new)),
        }
    }

    /// What was sent and what came back, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        let load = self.load;
        let mut lines = vec![format!(
            "open loop: {}/s to {}, {} ms after {} ms of warm-up, at most {} connections",
            load.rate_per_second, self.name, load.duration_ms, load.warm_up_ms, load.connections
        )];
        if let Some(live) = &self.live {
            lines.push(format!("baseline: {}/s to {}", load.live_rate(), live.name));
        }
        lines.push(format!("{}: {} ({})", self.name, self.new.summary(), self.new.endings()));
        match &self.live {
            Some(live) => {
                lines.push(format!("{}: {} ({})", live.name, live.side.summary(), live.side.endings()));
                lines.extend(live.comparison.lines());
                lines.push(match &live.users {
                    Some(users) => users.line(),
                    None => "users of the live version: no gateway tells of them".to_owned(),
                });
            }
            None => lines.push("nothing is live: there was nothing to compare with, only limits".to_owned()),
        }
        let lag = self.lag();
        let late = |q: f64| lag.quantile(q).map(milliseconds).unwrap_or_default();
        lines.push(format!("generator: p50 {}, p99 {}, at most {} late", late(0.5), late(0.99), late(1.0)));
        match &self.end {
            End::Complete | End::Alarm => {}
            End::LiveSuffers(why) => lines.push(format!("stopped at once: {why}")),
            End::Stuck(why) => lines.push(format!("stopped: {why}")),
        }
        lines
    }
}
