//! Waiting until every live gateway runs a revision.
//!
//! The Admin API answers a write, and a release calls a step done, only when the change is in force everywhere. The
//! proof are the instances' own reports; nothing here assumes that a gateway runs in this process.

use crate::{Report, Store, StoreError};
use model::resource::Revision;
use std::time::Duration;
use tokio::time::timeout;

/// How the wait ended.
#[derive(Debug)]
pub enum Convergence {
    /// Every live gateway runs the revision, or a newer one.
    Applied {
        /// How many they are; at least 1.
        instances: usize,
    },
    /// No gateway is alive: the change is stored, and will be in force when one starts.
    NoGateway,
    /// The time is over.
    TimedOut {
        /// The live gateways that run an older revision; empty if the reports could not even be read in time.
        behind: Vec<Laggard>,
    },
    /// The reports cannot be read, so that nobody knows.
    Unknown(StoreError),
}

/// A gateway that runs an older revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Laggard {
    /// Its instance.
    pub instance: String,
    /// What it runs.
    pub applied: Revision,
}

/// Waits until every live gateway has reported `revision` or a newer one, at most for `within`.
///
/// A gateway is an instance whose report says `applied`; it is live while its report is at most `live_within_ms`
/// milliseconds older than `now()` (milliseconds since the Unix epoch). One that dies while we wait is waited for only
/// until then. Woken by reports, by such a death and by the end of the time; it never polls.
pub async fn wait_applied(
    store: &dyn Store,
    revision: Revision,
    live_within_ms: i64,
    now: impl Fn() -> i64,
    within: Duration,
) -> Convergence {
    let mut behind = Vec::new();
    let watching = watch_until_applied(store, revision, live_within_ms, now, &mut behind);
    match timeout(within, watching).await {
        Ok(ended) => ended,
        Err(_) => Convergence::TimedOut { behind },
    }
}

async fn watch_until_applied(
    store: &dyn Store,
    revision: Revision,
    live_within_ms: i64,
    now: impl Fn() -> i64,
    behind: &mut Vec<Laggard>,
) -> Convergence {
    let mut changes = store.watch_reports();
    loop {
        changes.mark_unchanged();
        let reports = match store.reports().await {
            Ok(reports) => reports,
            Err(error) => return Convergence::Unknown(error),
        };
        let standing = Standing::of(&reports, revision, live_within_ms, now());
        if standing.behind.is_empty() {
            return match standing.applied {
                0 => Convergence::NoGateway,
                instances => Convergence::Applied { instances },
            };
        }
        *behind = standing.behind;
        let next_death = Duration::from_millis(standing.next_death_in_ms);
        if let Ok(Err(_)) = timeout(next_death, changes.changed()).await {
            return Convergence::Unknown(StoreError::Closed);
        }
    }
}

/// Where the live gateways stand at one moment.
struct Standing {
    applied: usize,
    behind: Vec<Laggard>,
    /// When the first of `behind` stops being live unless it reports; at least 1 ms.
    next_death_in_ms: u64,
}

impl Standing {
    fn of(reports: &[Report], revision: Revision, live_within_ms: i64, now_ms: i64) -> Standing {
        let mut standing = Standing { applied: 0, behind: Vec::new(), next_death_in_ms: u64::MAX };
        for report in reports {
            let dies_at_ms = report.at_ms.saturating_add(live_within_ms);
            let Some(applied) = report.applied else { continue };
            if dies_at_ms < now_ms {
                continue;
            }
            if applied >= revision {
                standing.applied += 1;
                continue;
            }
            standing.behind.push(Laggard { instance: report.instance.clone(), applied });
            let dies_in_ms = dies_at_ms.saturating_sub(now_ms).saturating_add(1).unsigned_abs();
            standing.next_death_in_ms = standing.next_death_in_ms.min(dies_in_ms);
        }
        standing
    }
}
