//! The claim: which upstream carries a request. Here, and only here, the colour is decided.
//!
//! A request keeps the table that it was matched under. The colour is taken from the thread's *current* table, and
//! the counters of that choice are begun, without an await in between: so the swap of a table and a claim on the same
//! thread are one after the other, and once every thread has acknowledged a table no claim under an older one can
//! come.

use crate::refusal::Refusal;
use crate::request::Request;
use crate::table::{Goal, Pinned, Route, RouteDefault, Target};
use crate::vars::RequestVariables;
use crate::worker::Worker;
use model::record::Lane;
use std::sync::Arc;
use telemetry::series::Series;

/// What a request has claimed. Dropping it does not end it: [`crate::exchange`] does, once.
#[derive(Debug)]
pub(crate) struct Claim {
    table: Pinned,
    place: u32,
    choice: Option<(usize, usize)>,
}

impl Claim {
    /// Claims an upstream for a request of the route at `place` of `table`.
    ///
    /// # Errors
    /// When the route leads nowhere.
    pub(crate) fn new(
        worker: &Worker,
        table: &Pinned,
        place: u32,
        request: &Request<'_>,
    ) -> Result<Claim, Refusal> {
        let (table, place) = newest(worker, table, place);
        let route = table.route(place).ok_or(Refusal::RouteNotFound)?;
        let mut choice = None;
        if let Some(split) = &route.split {
            let variables = RequestVariables { request, route: Some(route) };
            match split.choose(&variables, worker.thread) {
                crate::table::Verdict::Chosen { rule, choice: chosen } => choice = Some((rule, chosen)),
                crate::table::Verdict::Default => {}
                crate::table::Verdict::Missing(id) => {
                    return Err(Refusal::SplitUpstreamMissing(id.to_owned()));
                }
            }
        }
        let claim = Claim { table, place, choice };
        claim.target()?;
        if let Some(series) = claim.series() {
            series.cell(worker.thread).begin();
        }
        Ok(claim)
    }

    /// The route, as it is in the table that the claim was made under.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.table.route(self.place)
    }

    fn chosen(&self) -> Option<&crate::table::Choice> {
        let (rule, choice) = self.choice?;
        self.route()?.split.as_ref()?.rules.get(rule)?.choices.get(choice)
    }

    /// The upstream.
    ///
    /// # Errors
    /// When the route leads nowhere; not after the claim was made.
    pub(crate) fn target(&self) -> Result<&Arc<Target>, Refusal> {
        let default = match self.chosen().map(|choice| &choice.goal) {
            Some(Goal::Target(target)) => return Ok(target),
            Some(Goal::Nowhere(default)) => default,
            None => &self.route().ok_or(Refusal::RouteNotFound)?.default,
        };
        match default {
            RouteDefault::Target(target) => Ok(target),
            RouteDefault::NotConfigured => Err(Refusal::NoUpstream),
            RouteDefault::UpstreamGone => Err(Refusal::UpstreamGone),
            RouteDefault::ServiceGone => Err(Refusal::ServiceGone),
        }
    }

    /// The counters of the choice.
    pub(crate) fn series(&self) -> Option<&Arc<Series>> {
        match self.chosen() {
            Some(choice) => Some(&choice.series),
            None => self.route().map(|route| &route.default_series),
        }
    }

    /// By which kind of rule the request came here.
    pub(crate) fn lane(&self) -> Lane {
        self.series().map_or(Lane::Share, |series| series.key().lane)
    }
}

/// The route as it is now; as it was matched, if it is gone.
fn newest(worker: &Worker, table: &Pinned, place: u32) -> (Pinned, u32) {
    let current = worker.table();
    if current.revision != table.revision
        && let Some(route) = table.route(place)
        && let Some(now) = current.place(&route.id)
    {
        return (current, now);
    }
    (table.clone(), place)
}
