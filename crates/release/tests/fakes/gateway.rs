//! A gateway made of arithmetic: it runs each revision as soon as it is told, splits by the service's weights, and
//! counts by epoch.

use model::colour::{Colour, LABEL_VERSION};
use model::overlay::{Overlay, effective};
use model::record::{Answerer, Ending, Lane};
use model::resource::Kind;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Report, Store};
use telemetry::counts::Counts;
use telemetry::report::{
    DifferenceGroup, DifferenceKind, GatewayReport, GuardReport, GuardState, GuardTrip, HoldReport, Judged,
    ShadowExample, ShadowReport, Unanswered,
};
use telemetry::samples::FailureSample;
use telemetry::series::{SeriesCounts, SeriesKey};
use tokio::task::JoinHandle;

/// Between two looks; some requests come in each.
const TICK: Duration = Duration::from_millis(50);

pub(crate) struct FakeGateway {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    store: Arc<dyn Store>,
    instance: String,
    series: Mutex<BTreeMap<SeriesKey, Counts>>,
    /// The newest failed requests.
    failures: Mutex<VecDeque<FailureSample>>,
    /// Versions that answer 500.
    bad: Mutex<Vec<String>>,
    /// No requests come while this is false.
    busy: Mutex<bool>,
    /// Writes that are under way on blue; a hold waits for them.
    writes: Mutex<u64>,
    holds: Mutex<Vec<(HoldReport, i64)>>,
    /// Whether guards fire when a version is bad.
    guarding: Mutex<bool>,
    guards: Mutex<Vec<GuardReport>>,
    shadows: Mutex<Vec<ShadowReport>>,
    /// Versions that answer copies with another type of `$.price`, and those that do not answer them.
    other: Mutex<Vec<String>>,
    mute: Mutex<Vec<String>>,
    /// User requests that came to a version, in the order of its first.
    versions: Mutex<Vec<String>>,
}

impl FakeGateway {
    pub(crate) fn begin(store: Arc<dyn Store>, instance: &str) -> FakeGateway {
        let inner = Arc::new(Inner {
            store,
            instance: instance.to_owned(),
            series: Mutex::default(),
            failures: Mutex::default(),
            bad: Mutex::default(),
            busy: Mutex::new(true),
            writes: Mutex::new(0),
            holds: Mutex::default(),
            guarding: Mutex::default(),
            guards: Mutex::default(),
            shadows: Mutex::default(),
            other: Mutex::default(),
            mute: Mutex::default(),
            versions: Mutex::default(),
        });
        let task = tokio::spawn(Arc::clone(&inner).run());
        FakeGateway { inner, task }
    }

    pub(crate) fn make_bad(&self, version: &str) {
        self.inner.bad.lock().unwrap().push(version.to_owned());
    }

    pub(crate) fn make_other(&self, version: &str) {
        self.inner.other.lock().unwrap().push(version.to_owned());
    }

    pub(crate) fn make_mute(&self, version: &str) {
        self.inner.mute.lock().unwrap().push(version.to_owned());
    }

    /// What was counted of copies, by the ids for which they were made.
    pub(crate) fn shadows(&self) -> Vec<ShadowReport> {
        self.inner.shadows.lock().unwrap().clone()
    }

    pub(crate) fn set_busy(&self, busy: bool) {
        *self.inner.busy.lock().unwrap() = busy;
    }

    /// So many writes are under way on blue.
    pub(crate) fn set_writes(&self, writes: u64) {
        *self.inner.writes.lock().unwrap() = writes;
    }

    /// From now on guards fire at the first failure.
    pub(crate) fn guard(&self) {
        *self.inner.guarding.lock().unwrap() = true;
    }

    /// The versions that user requests came to, in the order of their first.
    pub(crate) fn versions(&self) -> Vec<String> {
        self.inner.versions.lock().unwrap().clone()
    }

    pub(crate) async fn service(&self) -> Value {
        self.inner.service().await.map(|(service, _)| service).unwrap_or_default()
    }

    /// As `kill -9`: its counters are gone, its report grows old.
    pub(crate) fn kill(&self) {
        self.task.abort();
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    async fn run(self: Arc<Self>) {
        let mut revisions = self.store.watch();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                _ = revisions.changed() => {}
                _ = ticks.tick() => if *self.busy.lock().unwrap() { self.serve(25).await },
            }
            let applied = *revisions.borrow_and_update();
            self.report(applied).await;
        }
    }

    async fn service(&self) -> Option<(Value, u64)> {
        let service = self.store.get(Kind::Service, "shop").await.unwrap()?;
        let overlay = self.store.get(Kind::Overlay, "shop").await.unwrap();
        let epoch = overlay.as_ref().map_or(0, |overlay| overlay.modified).max(service.modified);
        let overlay: Option<Overlay> = overlay.map(|resource| {
            let mut value = (*resource.value).clone();
            value.as_object_mut().unwrap().shift_remove("id");
            serde_json::from_value(value).unwrap()
        });
        Some((effective(&service.value, overlay.as_ref()), epoch))
    }

    /// Keeps the hold that the service has, once for each id and no longer than its budget.
    async fn keep_holds(&self) {
        let service = self.service().await.map(|(service, _)| service).unwrap_or_default();
        let rules = service.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
        let hold = rules.into_iter().flatten().find_map(|rule| rule.pointer("/tealgate/hold"));
        let id = hold.and_then(|hold| hold["id"].as_str());
        let now_ms = release::clock::now_ms();
        let writes = *self.writes.lock().unwrap();
        let mut holds = self.holds.lock().unwrap();
        if let (Some(id), Some(hold)) = (id, hold)
            && holds.iter().all(|(known, _)| known.id != id)
        {
            let report = HoldReport { id: id.to_owned(), ..HoldReport::default() };
            holds.push((report, now_ms + hold["budget_ms"].as_i64().unwrap()));
        }
        for (hold, until_ms) in holds.iter_mut().filter(|(hold, _)| !hold.over) {
            hold.lapsed = Some(hold.id.as_str()) == id && now_ms > *until_ms;
            hold.over = hold.lapsed || Some(hold.id.as_str()) != id;
            hold.open = vec![(Answerer::Blue, writes)];
        }
    }

    /// Arms the guard that the service has, and forgets it with the rule. Whether it has fired.
    async fn keep_guard(&self, fails: bool) -> bool {
        let service = self.service().await.map(|(service, _)| service).unwrap_or_default();
        let rules = service.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
        let id = rules.into_iter().flatten().find_map(|rule| rule.pointer("/tealgate/guard/id")?.as_str());
        let mut guards = self.guards.lock().unwrap();
        guards.retain(|guard| Some(guard.id.as_str()) == id || guard.state != GuardState::Armed);
        let Some(id) = id else { return false };
        if guards.iter().all(|guard| guard.id != id) {
            let (id, service) = (id.to_owned(), "shop".to_owned());
            guards.push(GuardReport {
                id,
                service,
                state: GuardState::Armed,
                evidence: Vec::new(),
                waits: Default::default(),
                failing_users: None,
                failing_by_check: Vec::new(),
            });
        }
        let Some(guard) = guards.iter_mut().find(|guard| guard.id == id) else { return false };
        if fails && guard.state == GuardState::Armed {
            let trip = GuardTrip {
                bound: "break".to_owned(),
                evidence: vec!["5 of 5 requests failed".to_owned()],
                at_ms: release::clock::now_ms(),
                new: Judged { requests: 5, failed: 5 },
                found_in_ms: Some(20),
                swapped_in_us: Some(900),
                latched: true,
                ..GuardTrip::default()
            };
            guard.state = GuardState::Tripped { trip: Box::new(trip) };
        }
        guard.state != GuardState::Armed
    }

    /// Begins to copy as soon as the service says so.
    async fn keep_shadow(&self) {
        let service = self.service().await.map(|(service, _)| service).unwrap_or_default();
        let rules = service.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
        let id = rules.into_iter().flatten().find_map(|rule| rule.pointer("/tealgate/shadow/id")?.as_str());
        let mut shadows = self.shadows.lock().unwrap();
        if let Some(id) = id
            && shadows.iter().all(|shadow| shadow.id != id)
        {
            shadows.push(ShadowReport { id: id.to_owned(), ..ShadowReport::default() });
        }
    }

    /// Splits requests by the weights of the first rule without a match, else by the default.
    async fn serve(&self, requests: u64) {
        let Some((service, epoch)) = self.service().await else { return };
        let rules = service.pointer("/plugins/traffic-split/rules").and_then(Value::as_array);
        let rule = rules.into_iter().flatten().find(|rule| rule.get("match").is_none());
        let default = service.get("upstream_id").and_then(Value::as_str);
        let choices: Vec<(String, u64)> = match rule {
            Some(rule) => rule["weighted_upstreams"].as_array().unwrap().iter().filter_map(choice).collect(),
            None => default.map(|id| (id.to_owned(), 100)).into_iter().collect(),
        };
        self.copy(rule, requests).await;
        if self.keep_guard(false).await {
            return self.count(default.unwrap_or_default(), epoch, requests).await;
        }
        for (upstream, weight) in choices {
            self.count(&upstream, epoch, requests * weight / 100).await;
        }
    }

    /// Copies each request once, compares, and asks the live version again; its answers tell the time.
    async fn copy(&self, rule: Option<&Value>, requests: u64) {
        let shadow = rule.and_then(|rule| rule.pointer("/tealgate/shadow"));
        let Some(to) = shadow.and_then(|shadow| shadow["to"].as_str()) else { return };
        let Some(upstream) = self.store.get(Kind::Upstream, to).await.unwrap() else { return };
        let version = upstream.value["labels"][LABEL_VERSION].as_str().unwrap_or_default().to_owned();
        let is_in = |versions: &Mutex<Vec<String>>| versions.lock().unwrap().contains(&version);
        let (other, mute) = (is_in(&self.other), is_in(&self.mute));
        let mut shadows = self.shadows.lock().unwrap();
        let Some(report) =
            shadows.iter_mut().find(|report| shadow.is_some_and(|of| of["id"] == report.id.as_str()))
        else {
            return;
        };
        report.sampled += requests;
        report.sent += requests;
        if mute {
            *report.unanswered.entry(Unanswered::Timeout).or_default() += requests;
            return;
        }
        report.compared += requests;
        report.second_compared += requests;
        report.second_different += requests;
        let mut add = |place: &str, what: &str, itself: u64| {
            let example = ShadowExample { method: "GET".to_owned(), path: "/cart".to_owned(), values: None };
            report.add_group(&DifferenceGroup {
                kind: DifferenceKind::Body,
                place: place.to_owned(),
                what: what.to_owned(),
                pairs: requests,
                itself,
                examples: vec![example],
            })
        };
        let mut groups = vec![add("$.now", "value", requests).unwrap()];
        if other {
            groups.push(add("$.price", "number → text", 0).unwrap());
        }
        report.add_pattern(Some(groups), requests);
    }

    async fn count(&self, upstream: &str, epoch: u64, requests: u64) {
        let Some(resource) = self.store.get(Kind::Upstream, upstream).await.unwrap() else { return };
        let version = resource.value["labels"][LABEL_VERSION].as_str().unwrap_or_default().to_owned();
        let Some(colour) = Colour::BOTH.into_iter().find(|colour| upstream.ends_with(colour.name())) else {
            return;
        };
        if requests == 0 {
            return;
        }
        let mut versions = self.versions.lock().unwrap();
        if !versions.contains(&version) {
            versions.push(version.clone());
        }
        let key = SeriesKey {
            route: "all".to_owned(),
            service: "shop".to_owned(),
            app: "shop".to_owned(),
            answerer: Answerer::from(colour),
            lane: Lane::Share,
            epoch,
        };
        let mut series = self.series.lock().unwrap();
        let counts = series.entry(key).or_default();
        counts.received += requests;
        let bad = self.bad.lock().unwrap().contains(&version);
        let class = if bad { 4 } else { 1 };
        if bad {
            self.fail(Answerer::from(colour), epoch);
        }
        counts.whole[class] += requests;
        (0..requests).for_each(|_| counts.latency.record(2_000));
    }

    fn fail(&self, answerer: Answerer, epoch: u64) {
        let mut failures = self.failures.lock().unwrap();
        failures.truncate(31);
        failures.push_front(FailureSample {
            at_us: release::clock::now_ms() * 1_000,
            route: "all".to_owned(),
            answerer,
            epoch,
            ending: Ending::Whole,
            status: 500,
            upstream_status: 500,
            upstream: "127.0.0.1:9001".to_owned(),
            method: "GET".to_owned(),
            target: "/cart?key=***".to_owned(),
            total_us: 2_000,
        });
    }

    async fn report(&self, applied: u64) {
        self.keep_holds().await;
        self.keep_shadow().await;
        let failed = *self.guarding.lock().unwrap() && !self.failures.lock().unwrap().is_empty();
        self.keep_guard(failed).await;
        let series: Vec<SeriesCounts> = {
            let series = self.series.lock().unwrap();
            series
                .iter()
                .map(|(key, counts)| SeriesCounts { key: key.clone(), counts: counts.clone() })
                .collect()
        };
        let report = Report {
            instance: self.instance.clone(),
            role: "gateway".to_owned(),
            applied: Some(applied),
            at_ms: release::clock::now_ms(),
            detail: serde_json::to_value(GatewayReport {
                listen: vec!["0.0.0.0:9080".parse().unwrap()],
                series,
                holds: self.holds.lock().unwrap().iter().map(|(hold, _)| hold.clone()).collect(),
                shadows: self.shadows.lock().unwrap().clone(),
                guards: self.guards.lock().unwrap().clone(),
                failures: self.failures.lock().unwrap().iter().cloned().collect(),
                ..GatewayReport::default()
            })
            .unwrap(),
        };
        self.store.report(report).await.unwrap();
    }
}

fn choice(value: &Value) -> Option<(String, u64)> {
    Some((value.get("upstream_id")?.as_str()?.to_owned(), value.get("weight")?.as_u64()?))
}
