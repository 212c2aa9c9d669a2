//! How the nodes of one compiled upstream stand: the view that a target has of its nodes' states.

use super::counters::{Event, Status};
use super::node::{Load, NodeState};
use crate::balance::ewma;
use model::upstream::checks::{CheckKind, Checks, Thresholds};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Instant;

/// The whole of a weight, in the unit of [`Standing::weight`].
const WHOLE: u64 = 1_000;
/// The share of its weight with which a node begins when it comes up.
const FIRST_SHARE: u64 = WHOLE / 10;

/// How the nodes of a target stand.
#[derive(Debug)]
pub(crate) struct Standing {
    nodes: Box<[Arc<NodeState>]>,
    /// Counts what can change how nodes are picked.
    changes: Arc<AtomicU64>,
    /// What was found after so many changes: the number, and in the lowest bit whether all nodes were up with their
    /// whole weight.
    found: AtomicU64,
    pub(crate) checks: Option<Arc<Checks>>,
    slow_start_ms: u64,
    /// What `now` is measured from.
    origin: Instant,
    /// Whether response times decide.
    samples: bool,
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// No connection, or it broke, or what came was not HTTP.
    Tcp,
    /// Not in time.
    Timeout,
}

impl Standing {
    pub(crate) fn new(
        nodes: Box<[Arc<NodeState>]>,
        changes: Arc<AtomicU64>,
        checks: Option<Arc<Checks>>,
        slow_start_ms: u64,
        origin: Instant,
        samples: bool,
    ) -> Standing {
        Standing { nodes, changes, found: AtomicU64::new(u64::MAX), checks, slow_start_ms, origin, samples }
    }

    /// Whether all nodes are up with their whole weight. Two loads while nothing changes.
    pub(crate) fn is_clean(&self, now: Instant) -> bool {
        let changes = self.changes();
        let found = self.found.load(Relaxed);
        if found == changes << 1 | 1 {
            return true;
        }
        // A share grows with the time alone.
        if found == changes << 1 && !self.has_slow_start() {
            return false;
        }
        let clean = (0..self.nodes.len()).all(|node| self.is_up(node) && self.share(node, now) == WHOLE);
        // A change meanwhile has moved the number on: then this says nothing.
        self.found.store(changes << 1 | u64::from(clean), Relaxed);
        clean
    }

    /// Changes up to now of what decides how nodes are picked.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Acquire)
    }

    /// Whether nodes that come up are given their share little by little.
    pub(crate) fn has_slow_start(&self) -> bool {
        self.slow_start_ms > 0
    }

    /// Whether a node gets requests.
    pub(crate) fn is_up(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|state| state.counters().status.is_up())
    }

    /// A node's weight now, in thousandths; at least 1 where the weight is.
    pub(crate) fn weight(&self, node: usize, weight: u32, now: Instant) -> u64 {
        (u64::from(weight) * self.share(node, now)).max(u64::from(weight > 0))
    }

    /// The share of its weight that a node gets while it comes up: from a tenth to the whole, evenly over the time.
    fn share(&self, node: usize, now: Instant) -> u64 {
        let Some(state) = self.nodes.get(node).filter(|_| self.has_slow_start()) else { return WHOLE };
        let Some(up_for_ms) = state.up_for_ms(now) else { return WHOLE };
        if up_for_ms >= self.slow_start_ms {
            state.is_settled();
            return WHOLE;
        }
        FIRST_SHARE + (WHOLE - FIRST_SHARE) * up_for_ms / self.slow_start_ms
    }

    /// What a thread has seen of a node.
    pub(crate) fn load(&self, node: usize, thread: usize) -> Option<&Load> {
        self.nodes.get(node).map(|state| state.load(thread))
    }

    /// Microseconds since the origin, at least 1.
    pub(crate) fn at_us(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// A node has answered with a status, `took_us` after the try began.
    pub(crate) fn answered(&self, thread: usize, node: usize, status: u16, took_us: u64, now: Instant) {
        // A node that fails quickly is not a quick node.
        let sample_us = if status >= 500 { took_us.max(ewma::FAILED_US) } else { took_us };
        self.sample(thread, node, sample_us, now);
        let passive = self.checks.as_ref().and_then(|checks| checks.passive.as_ref());
        if let (Some(state), Some(passive)) = (self.nodes.get(node), passive)
            && passive.kind != CheckKind::Tcp
        {
            count_status(state, &passive.thresholds, status, "request", now);
        }
    }

    /// A try at a node has failed.
    pub(crate) fn failed(&self, thread: usize, node: usize, failed: Failed, took_us: u64, now: Instant) {
        self.sample(thread, node, took_us.max(ewma::FAILED_US), now);
        let passive = self.checks.as_ref().and_then(|checks| checks.passive.as_ref());
        if let (Some(state), Some(passive)) = (self.nodes.get(node), passive) {
            count_failure(state, &passive.thresholds, failed, now, || {
                let what = match failed {
                    Failed::Tcp => "no connection, or it broke",
                    Failed::Timeout => "not in time",
                };
                format!("request: {what}")
            });
        }
    }

    fn sample(&self, thread: usize, node: usize, took_us: u64, now: Instant) {
        if let Some(load) = self.load(node, thread).filter(|_| self.samples) {
            ewma::sample(load, took_us, self.at_us(now));
        }
    }

    /// The nodes, in the order of the target's.
    pub(crate) fn nodes(&self) -> &[Arc<NodeState>] {
        &self.nodes
    }
}

/// Counts a status for or against a node, if it is named on either side.
pub(crate) fn count_status(state: &NodeState, at: &Thresholds, status: u16, by: &str, now: Instant) {
    if at.healthy_statuses.contains(status) {
        // The usual case on a healthy node, told by one load.
        if state.counters().status != Status::Healthy {
            state.count(Event::Success, at.successes, now, || format!("{by}: status {status}"));
        }
    } else if at.unhealthy_statuses.contains(status) {
        state.count(Event::HttpFailure, at.http_failures, now, || format!("{by}: status {status}"));
    }
}

/// Counts a failure against a node. `why` says what was seen.
pub(crate) fn count_failure(
    state: &NodeState,
    at: &Thresholds,
    failed: Failed,
    now: Instant,
    why: impl FnOnce() -> String,
) {
    match failed {
        Failed::Tcp => state.count(Event::TcpFailure, at.tcp_failures, now, why),
        Failed::Timeout => state.count(Event::Timeout, at.timeouts, now, why),
    }
}
