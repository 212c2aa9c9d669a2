//! What the gateways say of holds. Pure.

use super::Gateways;
use crate::machine::Spread;
use crate::report::{HoldEnd, HoldSummary};
use crate::view::HoldView;
use model::record::Answerer;
use model::resource::Revision;
use telemetry::report::HoldReport;
use telemetry::sketch::Sketch;

/// How a hold that was written stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HoldState {
    /// It is in force everywhere, and what it waited for is done.
    Clear,
    /// Not yet; why, for people.
    Waits(String),
    /// Some gateway has ended it.
    Over {
        /// Which, and why if it is known.
        why: String,
        /// That gateway was started meanwhile, which says nothing of what the hold waits for.
        interrupted: bool,
    },
}

impl Gateways {
    /// Whether a hold that was written as `revision` is in force everywhere and nothing of what it waits for is left
    /// on `answerer`.
    #[must_use]
    pub(crate) fn hold(&self, id: &str, revision: Revision, answerer: Answerer) -> HoldState {
        match super::spread(self, revision) {
            Spread::Yes => {}
            Spread::No { detail } => return HoldState::Waits(detail),
            Spread::CannotTell | Spread::NotAsked => {
                return HoldState::Waits("no gateway is alive".to_owned());
            }
        }
        let mut open = 0u64;
        let mut ended = None;
        for gateway in &self.gateways {
            let (instance, hold) = (&gateway.instance, gateway.hold(id));
            let Some(hold) = hold else { return HoldState::Waits(format!("{instance} does not know of it")) };
            if hold.stood_before {
                let why = format!("gateway {instance} was started meanwhile and does not hold");
                return HoldState::Over { why, interrupted: true };
            }
            if hold.over || hold.lapsed {
                ended.get_or_insert(instance);
            }
            open = open.saturating_add(open_on(hold, answerer));
        }
        if let Some(instance) = ended {
            let why = format!("{instance} did not hold any longer");
            return HoldState::Over { why, interrupted: false };
        }
        if open == 0 {
            HoldState::Clear
        } else {
            HoldState::Waits(format!("{open} were under way on {}", answerer.name()))
        }
    }

    /// A hold while it is in force.
    #[must_use]
    pub(crate) fn holding(&self, id: &str, answerer: Answerer) -> HoldView {
        let holds = self.gateways.iter().filter_map(|gateway| gateway.hold(id));
        holds.fold(HoldView::default(), |sum, hold| HoldView {
            waiting: sum.waiting.saturating_add(hold.waiting),
            open: sum.open.saturating_add(open_on(hold, answerer)),
        })
    }

    /// What came of a hold, once it is over in every gateway that knew it and nobody waits any more; as far as gateways can
    /// tell: a hold that they were told to end has ended as if the share had moved.
    #[must_use]
    pub(crate) fn finished_hold(&self, id: &str) -> Option<HoldSummary> {
        let holds: Vec<_> =
            self.gateways.iter().filter_map(|gateway| Some((gateway, gateway.hold(id)?))).collect();
        // Of one that has ended nobody waits any more, whatever it said last.
        let is_open = |gateway: &super::Gateway, hold: &HoldReport| {
            let has_ended = gateway.report.as_ref().is_some_and(|report| report.ended);
            !has_ended && (!hold.over || hold.waiting > 0)
        };
        if holds.is_empty() || holds.iter().any(|(gateway, hold)| is_open(gateway, hold)) {
            return None;
        }
        let sum =
            |of: fn(&HoldReport) -> u64| holds.iter().map(|(_, hold)| of(hold)).fold(0, u64::saturating_add);
        let mut waits = Sketch::default();
        holds.iter().for_each(|(_, hold)| waits.merge(&hold.waits));
        let ms = |us: u64| us as f64 / 1_000.0;
        let longest_us = holds.iter().map(|(_, hold)| hold.longest_us).max().unwrap_or(0);
        // A sketch answers by the middle of a bucket, which may lie above the longest.
        let quantile = |q: f64| waits.quantile(q).map(|us| ms(us.min(longest_us)));
        let ended = if holds.iter().any(|(_, hold)| hold.stood_before) {
            HoldEnd::Gateway
        } else if holds.iter().any(|(_, hold)| hold.lapsed) {
            HoldEnd::Budget
        } else {
            HoldEnd::Moved
        };
        Some(HoldSummary {
            id: id.to_owned(),
            gateways: holds.iter().map(|(gateway, _)| gateway.instance.clone()).collect(),
            in_time: ended == HoldEnd::Moved,
            ended: Some(ended),
            waited: sum(|hold| hold.waited),
            left: sum(|hold| hold.left),
            passed: sum(|hold| hold.passed),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            longest_ms: ms(longest_us),
        })
    }
}

impl super::Gateway {
    fn hold(&self, id: &str) -> Option<&HoldReport> {
        self.report.as_ref()?.holds.iter().find(|hold| hold.id == id)
    }
}

fn open_on(hold: &HoldReport, answerer: Answerer) -> u64 {
    hold.open.iter().filter(|(one, _)| *one == answerer).map(|(_, open)| *open).sum()
}
