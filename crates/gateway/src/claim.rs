//! The claim: which upstream carries a request. Here, and only here, the colour is decided.
//!
//! Between the moment at which a request takes the thread's current table and its claim there is no await, and the
//! counters of the choice are begun in the same breath ([`crate::exchange`]). So the swap of a table and a claim on
//! the same thread are one after the other, and once every thread has acknowledged a table no claim under an older
//! one can come. A request that a hold let wait takes the then current table and finds its route in it by its id.

use crate::assignment::Issued;
use crate::examine::Examination;
use crate::guard::Seat;
use crate::hold::Counted;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::shadow::Shadow;
use crate::table::{Goal, Route, RouteDefault, Target, Verdict};
use crate::vars::RequestVariables;
use crate::worker::Worker;
use model::resource::Revision;
use std::sync::Arc;
use telemetry::series::Series;

/// What a request has claimed. Its count is begun and ended by [`crate::record::Open`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'t> {
    /// The route.
    pub(crate) route: &'t Route,
    /// The upstream.
    pub(crate) target: &'t Target,
    /// The counters of the choice.
    pub(crate) series: &'t Series,
    /// The revision of the table that it was claimed under.
    pub(crate) revision: Revision,
    /// The cookie that keeps the choice, if the client is to get one with its answer.
    pub(crate) issued: Option<Issued<'t>>,
    /// Where it is counted whose request it is, and whose.
    pub(crate) user: Option<(&'t Seat, u64)>,
    /// What its answer is asked.
    pub(crate) examination: Option<&'t Examination>,
    /// The shadow that may fall on it.
    pub(crate) shadow: Option<&'t Arc<Shadow>>,
}

impl<'t> Claim<'t> {
    /// Claims an upstream for a request of a route of the thread's current table, whose revision this is.
    ///
    /// # Errors
    /// When the route leads nowhere.
    pub(crate) fn new(
        worker: &Worker,
        revision: Revision,
        route: &'t Route,
        request: &Request<'_>,
    ) -> Result<Claim<'t>, Refusal> {
        let default = |default: &'t RouteDefault, series: &'t Series| {
            Ok(Claim {
                route,
                target: upstream_of(default)?,
                series,
                revision,
                issued: None,
                examination: None,
                user: None,
                shadow: None,
            })
        };
        let Some(split) = &route.split else { return default(&route.default, &route.default_series) };
        match split.choose(&RequestVariables { request, route: Some(route) }, worker.thread) {
            Verdict::Default => default(&route.default, &route.default_series),
            Verdict::Missing(id) => Err(Refusal::SplitUpstreamMissing(id.to_owned())),
            Verdict::Chosen(choice, assigned) => match &choice.goal {
                Goal::Target(target) => {
                    let (series, shadow) = (&choice.series, choice.shadow.as_ref());
                    let examination = choice.examination.as_ref();
                    let (issued, user) = (assigned.issued, choice.seat.as_ref().zip(assigned.point));
                    Ok(Claim { route, target, series, revision, issued, examination, user, shadow })
                }
                Goal::Nowhere(nowhere) => default(nowhere, &choice.series),
            },
        }
    }
}

impl Claim<'_> {
    /// Counts the request, while this is held, among those that a hold waits for; where none can come, nothing is.
    pub(crate) fn count(&self, worker: &Worker, request: &Request<'_>) -> Option<Counted<'_>> {
        let tallies = self.route.tallies.as_ref().filter(|tallies| tallies.include(request.head))?;
        tallies.count(self.target.answerer, worker.thread)
    }
}

fn upstream_of(default: &RouteDefault) -> Result<&Target, Refusal> {
    match default {
        RouteDefault::Target(target) => Ok(target),
        RouteDefault::NotConfigured => Err(Refusal::NoUpstream),
        RouteDefault::UpstreamGone => Err(Refusal::UpstreamGone),
        RouteDefault::ServiceGone => Err(Refusal::ServiceGone),
    }
}
