//! One release, from its wish to its end, with a controller that is hit at one point.

pub(crate) mod invariants;
pub(crate) mod scenarios;

use crate::fakes::{Blow, FakeGateway, Mortal, Place, Site, wait_for};
use model::resource::{Kind, Origin};
use release::failpoint::Point;
use release::lease::LEASE;
use release::view::ReleaseView;
use scenarios::{Scenario, What};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use store::{Expect, JournalEntry, Write};

/// The test's own time.
const LIMIT: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(100);
/// The release that is looked at.
pub(crate) const ID: &str = "shop-2";

/// A release on its way.
pub(crate) struct Run<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) site: Site,
    /// Who acts, or is about to.
    pub(crate) current: Mortal,
    /// A controller that was stopped, and has gone on since.
    pub(crate) sleeper: Option<Mortal>,
    /// How many entries and changes there were when that one woke up.
    pub(crate) at_waking: Option<Waking>,
    second_gateway: Option<FakeGateway>,
    next_act: usize,
    hit: bool,
}

/// The world when a controller wakes up whose lease is another's.
#[derive(Debug)]
pub(crate) struct Waking {
    pub(crate) entries: Vec<(String, usize)>,
    pub(crate) hands: usize,
}

/// Runs a scenario. Answers all points that the first controller reached, and whether it was hit.
pub(crate) async fn run(scenario: &Scenario, hit: Option<(Place, Blow)>) -> (Vec<Point>, bool) {
    let site = scenario.site().await;
    let first = Mortal::begin(&site, "c-1");
    let mut run = Run {
        scenario,
        second_gateway: scenario
            .acts
            .iter()
            .any(|(_, what)| *what == What::LoseGateway)
            .then(|| FakeGateway::begin(Arc::clone(&site.store), "gw-2")),
        site,
        current: first,
        sleeper: None,
        at_waking: None,
        next_act: 0,
        hit: false,
    };
    wait_for(LIMIT, async || run.current.start("1", false).await.is_some()).await;
    wait_for(LIMIT, async || run.all_ended().await).await;
    (scenario.prepare)(&run.site);
    run.current.record(hit.clone());
    let mut journals = run.site.store.watch_journals();
    let mut ticks = tokio::time::interval(TICK);
    let whole = async {
        loop {
            tokio::select! {
                _ = journals.changed() => {}
                _ = ticks.tick() => {}
            }
            run.follow(hit.as_ref().map(|(_, blow)| *blow)).await;
            if run.next_act == scenario.acts.len() && run.is_there().await && run.all_ended().await {
                break;
            }
        }
    };
    if tokio::time::timeout(LIMIT, whole).await.is_err() {
        let view = run.current.get(ID).await;
        panic!("it does not end: {view:#?}");
    }
    if run.sleeper.is_some() {
        // Long enough for whatever it still had in mind.
        for _ in 0..10 {
            ticks.tick().await;
        }
    }
    invariants::check(&run).await;
    let first = run.sleeper.as_ref().unwrap_or(&run.current);
    (first.reached(), run.hit)
}

impl Run<'_> {
    async fn is_there(&self) -> bool {
        self.site.store.releases().await.unwrap().iter().any(|id| id == ID)
    }

    async fn all_ended(&self) -> bool {
        for id in self.site.store.releases().await.unwrap() {
            let view = self.current.get(&id).await;
            if view.is_none_or(|view| view.ended_at_ms.is_none() || !invariants::all_told(&view)) {
                return false;
            }
        }
        true
    }

    /// One look at everything: a successor for who is hit, and what is next in the scenario.
    async fn follow(&mut self, blow: Option<Blow>) {
        if self.current.is_hit() {
            self.hit = true;
            let second = Mortal::begin(&self.site, "c-2");
            let first = std::mem::replace(&mut self.current, second);
            if blow == Some(Blow::Stops) {
                self.wake_once_replaced(&first).await;
                self.sleeper = Some(first);
            }
        }
        if !self.is_there().await {
            self.current.start("2", self.scenario.rehearsal).await;
            return;
        }
        let Some((when, what)) = self.scenario.acts.get(self.next_act).copied() else { return };
        let Some(view) = self.current.get(ID).await else { return };
        // What did not come to pass before the end does not any more.
        if view.outcome.is_some() || (when(&view) && self.act(what, &view).await) {
            self.next_act += 1;
        }
    }

    async fn wake_once_replaced(&mut self, first: &Mortal) {
        let store = &self.site.store;
        let replaced = async || store.lease(LEASE).await.unwrap().is_some_and(|lease| lease.holder == "c-2");
        wait_for(LIMIT, replaced).await;
        let mut entries = Vec::new();
        for id in store.releases().await.unwrap() {
            let length = store.journal(&id).await.unwrap().len();
            entries.push((id, length));
        }
        let hands = self.site.notes.hands.lock().unwrap().len();
        self.at_waking = Some(Waking { entries, hands });
        first.wake();
    }

    /// Whether it is done.
    async fn act(&mut self, what: What, view: &ReleaseView) -> bool {
        let store = Arc::clone(&self.site.store);
        match what {
            What::Wish(wish) => self.current.wish(wish, &view.release).await,
            What::Release => {
                self.current.start("3", false).await;
                store.releases().await.unwrap().contains(&"shop-3".to_owned())
            }
            What::AbortNext => self.current.wish(crate::fakes::Wish::Abort, "shop-3").await,
            What::NextIsFaulty => {
                self.site.driver.faulty.lock().unwrap().push("3".to_owned());
                true
            }
            What::Edit => {
                let known = store.get(Kind::Service, "shop").await.unwrap().unwrap();
                let rules = json!([{"weighted_upstreams": [{"upstream_id": "shop-blue", "weight": 1}]}]);
                let mut value = (*known.value).clone();
                value["plugins"]["traffic-split"]["rules"] = rules;
                self.site.notes.services.lock().unwrap().push(value.clone());
                let (kind, id, origin) = (Kind::Service, Some("shop".to_owned()), Origin::Api);
                let expect = Expect::Modified(known.modified);
                store.commit(vec![Write::Put { kind, id, value, origin, expect }], None).await.is_ok()
            }
            What::LoseGateway => {
                self.second_gateway.take();
                true
            }
            What::Tear => {
                let seq = u64::try_from(store.journal(ID).await.unwrap().len()).unwrap() + 1;
                let Some(lease) = store.lease(LEASE).await.unwrap() else { return false };
                let entry = JournalEntry { seq, body: "{\"format\":1,\"se".to_owned() };
                store.append(ID, LEASE, lease.fence, entry).await.is_ok()
            }
        }
    }
}
