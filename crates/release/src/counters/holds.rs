//! What the gateways say of holds. Pure.

use super::Gateways;
use crate::machine::Spread;
use crate::report::HoldSummary;
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
    /// Some gateway has ended it; which.
    Over(String),
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
        for gateway in &self.gateways {
            let Some(hold) = gateway.hold(id) else {
                return HoldState::Waits(format!("{} does not know of it", gateway.instance));
            };
            if hold.over || hold.lapsed {
                return HoldState::Over(format!("{} did not hold any longer", gateway.instance));
            }
            open = open.saturating_add(open_on(hold, answerer));
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

    /// What came of a hold, once it is over in every gateway that knew it and nobody waits any more.
    #[must_use]
    pub(crate) fn finished_hold(&self, id: &str) -> Option<HoldSummary> {
        let holds: Vec<_> =
            self.gateways.iter().filter_map(|gateway| Some((gateway, gateway.hold(id)?))).collect();
        if holds.is_empty() || holds.iter().any(|(_, hold)| !hold.over || hold.waiting > 0) {
            return None;
        }
        let sum =
            |of: fn(&HoldReport) -> u64| holds.iter().map(|(_, hold)| of(hold)).fold(0, u64::saturating_add);
        let mut waits = Sketch::default();
        holds.iter().for_each(|(_, hold)| waits.merge(&hold.waits));
        let ms = |us: u64| us as f64 / 1_000.0;
        Some(HoldSummary {
            id: id.to_owned(),
            gateways: holds.iter().map(|(gateway, _)| gateway.instance.clone()).collect(),
            in_time: holds.iter().all(|(_, hold)| !hold.lapsed),
            waited: sum(|hold| hold.waited),
            left: sum(|hold| hold.left),
            passed: sum(|hold| hold.passed),
            p50_ms: waits.quantile(0.5).map(ms),
            p99_ms: waits.quantile(0.99).map(ms),
            longest_ms: ms(holds.iter().map(|(_, hold)| hold.longest_us).max().unwrap_or(0)),
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
