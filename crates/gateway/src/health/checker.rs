//! Active health checks: one thread asks the nodes of all upstreams that have checks and that requests can come to.
//!
//! It is no request thread, so a slow check holds nothing up. Each node has a task of its own whose first check comes
//! at a moment that depends on its name, so the checks of many nodes are spread over the interval. How many run at
//! once is bounded for each upstream by its `concurrency`, and for all by [`MAX_AT_ONCE`].

use super::counters::Event;
use super::node::NodeState;
use super::probe::{Answer, Question};
use super::standing::{Failed, count_failure, count_status};
use crate::clock;
use crate::table::Target;
use crate::upstream::names::NameSource;
use crate::upstream::resolve::Resolver;
use crate::upstream::tls::Connectors;
use foldhash::HashMap;
use foldhash::quality::FixedState;
use model::upstream::checks::ActiveChecks;
use std::hash::BuildHasher;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use telemetry::health::{HealthReport, NodeHealth, UpstreamHealth};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, LocalSet};

/// Checks that run at the same time, over all upstreams; further ones wait their turn.
const MAX_AT_ONCE: usize = 128;
/// Threads that wait for the system's name resolver.
const MAX_BLOCKING_THREADS: usize = 16;

/// The checker of a gateway. Its thread starts with the first upstream that has checks.
pub(crate) struct Checker {
    dns_valid: Duration,
    names: Arc<dyn NameSource>,
    running: Mutex<Option<Running>>,
    /// What is checked.
    targets: Mutex<Vec<Arc<Target>>>,
}

/// A target, and how TLS is spoken with its nodes.
pub(crate) struct Checked {
    pub(crate) target: Arc<Target>,
    pub(crate) tls: Connectors,
}

struct Running {
    targets: mpsc::UnboundedSender<Vec<Checked>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Checker {
    pub(crate) fn new(dns_valid: Duration, names: Arc<dyn NameSource>) -> Checker {
        Checker { dns_valid, names, running: Mutex::default(), targets: Mutex::default() }
    }

    /// Checks the nodes of these targets from now on, and no others.
    pub(crate) fn check(&self, targets: Vec<Checked>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) =
            targets.iter().map(|checked| Arc::clone(&checked.target)).collect();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() && !targets.is_empty() {
            match self.start() {
                Ok(started) => *running = Some(started),
                Err(error) => tracing::error!(%error, "health checks cannot be started"),
            }
        }
        if let Some(running) = running.as_ref() {
            // A thread that has ended was asked to.
            let _ = running.targets.send(targets);
        }
    }

    /// How all nodes are, by the names of their upstreams.
    pub(crate) fn report(&self) -> HealthReport {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut upstreams: Vec<UpstreamHealth> =
            targets.iter().filter_map(|target| report_of(target)).collect();
        upstreams.sort_by(|one, other| one.upstream.cmp(&other.upstream));
        HealthReport { upstreams, left_out: 0 }
    }

    /// A number that is another one once the status of a node has changed.
    pub(crate) fn changes(&self) -> u64 {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |target: &Arc<Target>| Some((target.uid, target.standing.as_ref()?.changes()));
        let mixed =
            targets.iter().filter_map(first).map(|of_target| FixedState::default().hash_one(of_target));
        mixed.fold(0, u64::wrapping_add)
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { targets, thread }) = running else { return };
        drop(targets);
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the thread of health checks has failed"),
            Err(_) => tracing::error!("the thread of health checks has panicked"),
        }
    }

    fn start(&self) -> io::Result<Running> {
        let (targets, lists) = mpsc::unbounded_channel();
        let (dns_valid, names) = (self.dns_valid, Arc::clone(&self.names));
        let thread = std::thread::Builder::new()
            .name("health-checks".to_owned())
            .spawn(move || run(lists, dns_valid, names))?;
        Ok(Running { targets, thread })
    }
}

fn report_of(target: &Target) -> Option<UpstreamHealth> {
    let standing = target.standing.as_ref()?;
    let nodes = target.usable().filter_map(|at| {
        let (state, node) = standing.nodes().get(at).zip(target.nodes.get(at))?;
        let (counters, change) = (state.counters(), state.last_change());
        Some(NodeHealth {
            host: node.host.clone(),
            port: node.port,
            status: counters.status.name().to_owned(),
            since_ms: change.at_ms,
            why: change.why,
            last_error: state.last_error(),
            successes: counters.successes,
            http_failures: counters.http_failures,
            tcp_failures: counters.tcp_failures,
            timeouts: counters.timeouts,
        })
    });
    Some(UpstreamHealth {
        upstream: standing.nodes().first()?.owner.to_string(),
        check: standing.checks.as_ref()?.active.kind.name().to_owned(),
        nodes: nodes.collect(),
    })
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checker").field("dns_valid", &self.dns_valid).finish_non_exhaustive()
    }
}

fn run(
    mut lists: mpsc::UnboundedReceiver<Vec<Checked>>,
    dns_valid: Duration,
    names: Arc<dyn NameSource>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build()?;
    let serve = async move {
        let resolver = Resolver::new(dns_valid, names);
        let at_once = Rc::new(Semaphore::new(MAX_AT_ONCE));
        let mut watched = Watched { resolver, at_once, nodes: HashMap::default() };
        while let Some(targets) = lists.recv().await {
            watched.update(&targets);
        }
    };
    LocalSet::new().block_on(&runtime, serve);
    runtime.shutdown_background();
    Ok(())
}

/// What is checked.
struct Watched {
    resolver: Rc<Resolver>,
    at_once: Rc<Semaphore>,
    /// By owner and address.
    nodes: HashMap<(Arc<str>, String), Node>,
}

/// One node that is checked while this is held.
struct Node {
    watch: Rc<Watch>,
    task: AbortHandle,
}

/// How one node is checked.
struct Watch {
    state: Arc<NodeState>,
    question: Question,
    tls: Connectors,
    checks: ActiveChecks,
    /// Of its upstream.
    concurrency: Rc<Semaphore>,
}

impl Watched {
    fn update(&mut self, targets: &[Checked]) {
        let mut before = std::mem::take(&mut self.nodes);
        for Checked { target, tls } in targets {
            let Some(standing) = &target.standing else { continue };
            let Some(checks) = standing.checks.as_ref().map(|checks| &checks.active) else { continue };
            let concurrency = Rc::new(Semaphore::new(checks.concurrency.min(MAX_AT_ONCE)));
            for node in target.usable() {
                let Some((state, node)) = standing.nodes().get(node).zip(target.nodes.get(node)) else {
                    continue;
                };
                let watch = Watch {
                    state: Arc::clone(state),
                    question: Question::new(target, node, checks),
                    tls: tls.clone(),
                    checks: checks.clone(),
                    concurrency: Rc::clone(&concurrency),
                };
                let key = (Arc::clone(&state.owner), state.address.clone());
                let kept = before.remove(&key).filter(|kept| kept.watch.is_same(&watch));
                let node = kept.unwrap_or_else(|| self.watch(watch));
                // The same address twice in one upstream is one node.
                self.nodes.insert(key, node);
            }
        }
        for (key, left) in before {
            if !self.nodes.contains_key(&key) {
                left.watch.state.forget();
            }
        }
    }

    fn watch(&self, watch: Watch) -> Node {
        let watch = Rc::new(watch);
        let asker = Asker {
            watch: Rc::clone(&watch),
            resolver: Rc::clone(&self.resolver),
            at_once: Rc::clone(&self.at_once),
        };
        let task = tokio::task::spawn_local(asker.ask_forever()).abort_handle();
        Node { watch, task }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    fn is_same(&self, other: &Watch) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
            && self.question == other.question
            && self.tls == other.tls
            && self.checks == other.checks
    }

    fn interval(&self) -> Duration {
        let up = self.state.counters().status.is_up();
        Duration::from_millis(if up {
            self.checks.healthy_interval_ms
        } else {
            self.checks.unhealthy_interval_ms
        })
    }

    /// When the first check comes: anywhere within the interval, by name.
    fn first(&self) -> Duration {
        let hash = FixedState::default().hash_one((&*self.state.owner, &self.state.address));
        Duration::from_millis(hash % self.checks.healthy_interval_ms.max(1))
    }

    fn count(&self, answer: Answer, now: Instant) {
        let thresholds = &self.checks.thresholds;
        let is_failure = |status| {
            !thresholds.healthy_statuses.contains(status) && thresholds.unhealthy_statuses.contains(status)
        };
        self.state.checked(match &answer {
            Answer::Failed(_, why) => Some(why.clone()),
            Answer::Status(status) if is_failure(*status) => Some(format!("status {status}")),
            Answer::Status(_) | Answer::Connected => None,
        });
        match answer {
            Answer::Status(status) => count_status(&self.state, thresholds, status, "check", now),
            Answer::Failed(failed, why) => {
                count_failure(&self.state, thresholds, failed, now, || format!("check: {why}"));
            }
            Answer::Connected => {
                self.state.count(Event::Success, thresholds.successes, now, || "check: connected".to_owned());
            }
        }
    }
}

/// The task of one node.
struct Asker {
    watch: Rc<Watch>,
    resolver: Rc<Resolver>,
    at_once: Rc<Semaphore>,
}

impl Asker {
    async fn ask_forever(self) {
        clock::pause(self.watch.first()).await;
        loop {
            self.ask().await;
            self.wait().await;
        }
    }

    async fn ask(&self) {
        // Neither is ever closed, so both are always got.
        let _own = self.watch.concurrency.acquire().await;
        let _one = self.at_once.acquire().await;
        let limit = Duration::from_millis(self.watch.checks.timeout_ms);
        let answer = tokio::select! {
            answer = self.watch.question.ask(&self.resolver, &self.watch.tls) => answer,
            () = clock::pause(limit) => Answer::Failed(Failed::Timeout, "not in time".to_owned()),
        };
        self.watch.count(answer, clock::now());
    }

    /// Waits for the interval, which changes with the status: a node that requests have found to be down meanwhile is
    /// asked as often as one that is down.
    async fn wait(&self) {
        let began = clock::now();
        let step = Duration::from_millis(self.watch.checks.unhealthy_interval_ms);
        while let Some(left) =
            self.watch.interval().checked_sub(clock::now() - began).filter(|left| !left.is_zero())
        {
            clock::pause(left.min(step)).await;
        }
    }
}
