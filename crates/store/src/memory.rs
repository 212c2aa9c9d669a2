//! The store that forgets: for tests, and for running without a data directory.

use crate::catalog::Catalog;
use crate::lease::Tenure;
use crate::report::{KEEP_REPORTS_MS, MAX_REPORTS};
use crate::signals::Signals;
use crate::{Committed, JournalEntry, Lease, Report, Result, Snapshot, Store, StoreError, Write};
use async_trait::async_trait;
use model::resource::{Kind, Resource, Revision};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// A store in this process's memory: durable for nobody, shared with nobody.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    signals: Signals,
}

#[derive(Debug, Default)]
struct State {
    catalog: Catalog,
    journals: HashMap<String, Vec<JournalEntry>>,
    /// The releases with a journal, oldest first.
    releases: Vec<String>,
    journal_entries: u64,
    leases: HashMap<String, Tenure>,
    reports: BTreeMap<String, Report>,
    report_changes: u64,
}

impl MemoryStore {
    /// An empty store, at revision 0.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore { state: Mutex::default(), signals: Signals::new(0, 0, 0) }
    }

    /// Held only for a few map operations, never over an await.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| StoreError::Closed)
    }
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new()
    }
}

impl State {
    fn check_fence(&self, lease: &str, fence: u64) -> Result<()> {
        match self.leases.get(lease) {
            Some(tenure) => tenure.admits(lease, fence),
            None => Tenure::default().admits(lease, fence),
        }
    }

    fn forget_old_reports(&mut self, newest_ms: i64) {
        self.reports.retain(|_, report| report.at_ms >= newest_ms.saturating_sub(KEEP_REPORTS_MS));
        if self.reports.len() > MAX_REPORTS {
            let mut by_age: Vec<_> = self
                .reports
                .values()
                .map(|report| (Reverse(report.at_ms), report.instance.clone()))
                .collect();
            by_age.sort();
            for (_, instance) in by_age.drain(MAX_REPORTS..) {
                self.reports.remove(&instance);
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Resource>>> {
        Ok(self.state()?.catalog.get(kind, id))
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Arc<Resource>>> {
        Ok(self.state()?.catalog.list(kind))
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.state()?.catalog.snapshot())
    }

    async fn commit(&self, writes: Vec<Write>, fence: Option<(&str, u64)>) -> Result<Committed> {
        let mut state = self.state()?;
        if let Some((lease, fence)) = fence {
            state.check_fence(lease, fence)?;
        }
        let planned = state.catalog.plan(writes)?;
        state.catalog.apply(planned.committed.revision, planned.changes);
        self.signals.tell_revision(planned.committed.revision);
        Ok(planned.committed)
    }

    fn watch(&self) -> watch::Receiver<Revision> {
        self.signals.watch_revision()
    }

    async fn append(&self, release: &str, lease: &str, fence: u64, entry: JournalEntry) -> Result<()> {
        let mut state = self.state()?;
        state.check_fence(lease, fence)?;
        let found =
            state.journals.get(release).and_then(|journal| journal.last()).map_or(1, |last| last.seq + 1);
        if entry.seq != found {
            return Err(StoreError::JournalHead { release: release.to_owned(), expected: entry.seq, found });
        }
        if found == 1 {
            state.releases.push(release.to_owned());
        }
        state.journals.entry(release.to_owned()).or_default().push(entry);
        state.journal_entries += 1;
        self.signals.tell_journals(state.journal_entries);
        Ok(())
    }

    async fn journal_after(&self, release: &str, seq: u64) -> Result<Vec<JournalEntry>> {
        let state = self.state()?;
        let entries = state.journals.get(release).map(Vec::as_slice).unwrap_or_default();
        // Entry n stands at place n - 1.
        let seen = usize::try_from(seq).unwrap_or(usize::MAX);
        Ok(entries.get(seen..).unwrap_or_default().to_vec())
    }

    async fn releases(&self) -> Result<Vec<String>> {
        Ok(self.state()?.releases.clone())
    }

    fn watch_journals(&self) -> watch::Receiver<u64> {
        self.signals.watch_journals()
    }

    async fn acquire(&self, name: &str, holder: &str, ttl_ms: u64, now_ms: i64) -> Result<Option<Lease>> {
        let mut state = self.state()?;
        let tenure = state.leases.get(name).cloned().unwrap_or_default();
        let Some(tenure) = tenure.acquired(holder, ttl_ms, now_ms) else { return Ok(None) };
        state.leases.insert(name.to_owned(), tenure.clone());
        Ok(tenure.lease(name))
    }

    async fn release_lease(&self, name: &str, fence: u64) -> Result<()> {
        let mut state = self.state()?;
        if let Some(tenure) = state.leases.get_mut(name)
            && let Some(free) = tenure.given_back(fence)
        {
            *tenure = free;
        }
        Ok(())
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>> {
        Ok(self.state()?.leases.get(name).cloned().and_then(|tenure| tenure.lease(name)))
    }

    async fn report(&self, report: Report) -> Result<()> {
        let mut state = self.state()?;
        let at_ms = report.at_ms;
        if state.reports.insert(report.instance.clone(), report).is_none() {
            state.forget_old_reports(at_ms);
        }
        state.report_changes += 1;
        self.signals.tell_reports(state.report_changes);
        Ok(())
    }

    async fn reports(&self) -> Result<Vec<Report>> {
        Ok(self.state()?.reports.values().cloned().collect())
    }

    async fn forget(&self, instance: &str) -> Result<()> {
        let mut state = self.state()?;
        state.reports.remove(instance);
        state.report_changes += 1;
        self.signals.tell_reports(state.report_changes);
        Ok(())
    }

    fn watch_reports(&self) -> watch::Receiver<u64> {
        self.signals.watch_reports()
    }
}
