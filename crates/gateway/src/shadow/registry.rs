//! All shadows of a gateway: what is counted under each id, and the threads that do the work.

use super::Shadow;
use super::account::Accounts;
use super::cast::{self, Copied};
use super::compare::Terms;
use super::tally::Tally;
use crate::balance::random::Random;
use crate::clock;
use crate::kept::Memory;
use crate::settings::Settings;
use crate::table::Target;
use foldhash::quality::FixedState;
use model::traffic_split::ShadowRule;
use std::hash::BuildHasher;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use telemetry::report::ShadowReport;
use tokio::sync::{Notify, mpsc};

/// Shadows that are still told of when no rule casts them any more.
const MAX_RECENT: usize = 4;

/// The shadows of a gateway.
#[derive(Debug)]
pub struct Shadows {
    settings: Arc<Settings>,
    memory: Arc<Memory>,
    known: Mutex<Vec<Arc<Tally>>>,
    threads: Mutex<Threads>,
    stop: Arc<Notify>,
}

/// The threads of all shadows; the one that sends copies holds the other.
#[derive(Debug, Default)]
enum Threads {
    /// There was no shadow yet.
    #[default]
    Unneeded,
    Running {
        copies: mpsc::Sender<Box<Copied>>,
        thread: JoinHandle<()>,
    },
    /// The gateway ends: none is started any more.
    Stopped,
}

impl Shadows {
    pub(crate) fn new(settings: Arc<Settings>) -> Shadows {
        Shadows {
            memory: Arc::new(Memory::new(settings.shadow_memory_bytes)),
            settings,
            known: Mutex::default(),
            threads: Mutex::default(),
            stop: Arc::default(),
        }
    }

    /// What is to be known of them, in the order in which they began: those that are cast, and the last that are over.
    #[must_use]
    pub fn reports(&self) -> Vec<ShadowReport> {
        lock(&self.known).iter().map(|tally| tally.report()).collect()
    }

    /// The shadow of a rule, or why there is none: then the report says so. `live`: where its requests go.
    pub(crate) fn cast(
        &self,
        rule: &ShadowRule,
        to: Option<Arc<Target>>,
        live: Vec<Arc<Target>>,
        threads: usize,
    ) -> Option<Arc<Shadow>> {
        let tally = self.tally(&rule.id);
        let to = to.ok_or_else(|| format!("upstream {} does not exist", rule.to));
        let ready = to.and_then(|to| match self.copies() {
            Ok(copies) => Ok((to, copies)),
            Err(error) => Err(format!("no thread can be started for it: {error}")),
        });
        tally.refuse(ready.as_ref().err().cloned());
        let (to, copies) = ready.ok()?;
        Some(Arc::new(Shadow {
            terms: Terms::of(rule),
            to,
            live,
            random: Random::new(FixedState::default().hash_one(&rule.id), threads),
            memory: Arc::clone(&self.memory),
            copies,
            tally,
            rule: rule.clone(),
        }))
    }

    /// Ends the threads for good; what is under way is given up.
    pub(crate) fn stop(&self) {
        let threads = std::mem::replace(&mut *lock(&self.threads), Threads::Stopped);
        let Threads::Running { copies, thread } = threads else { return };
        drop(copies);
        self.stop.notify_one();
        if thread.join().is_err() {
            tracing::error!("the thread of shadows has panicked");
        }
    }

    /// The counters of an id.
    fn tally(&self, id: &str) -> Arc<Tally> {
        let mut known = lock(&self.known);
        if let Some(tally) = known.iter().find(|tally| tally.id == id) {
            return Arc::clone(tally);
        }
        let tally = Arc::new(Tally::new(id, clock::now()));
        known.push(Arc::clone(&tally));
        let is_over = |tally: &Arc<Tally>| Arc::strong_count(tally) == 1;
        let mut too_many = known.iter().filter(|tally| is_over(tally)).count().saturating_sub(MAX_RECENT);
        known.retain(|tally| {
            let goes = too_many > 0 && is_over(tally);
            too_many -= usize::from(goes);
            !goes
        });
        tally
    }

    /// Where copies are handed over; starts the threads with the first shadow.
    fn copies(&self) -> io::Result<mpsc::Sender<Box<Copied>>> {
        let mut threads = lock(&self.threads);
        match &*threads {
            Threads::Unneeded => {}
            Threads::Running { copies, .. } => return Ok(copies.clone()),
            Threads::Stopped => return Err(io::Error::other("the gateway has ended")),
        }
        let accounts = Accounts::start()?;
        let (copies, waiting) = mpsc::channel(cast::MAX_WAITING);
        let (settings, stop) = (Arc::clone(&self.settings), Arc::clone(&self.stop));
        let thread = std::thread::Builder::new().name("shadow".to_owned()).spawn(move || {
            if let Err(error) = cast::run(waiting, settings, accounts, &stop) {
                tracing::error!(%error, "no copies can be sent");
            }
        })?;
        *threads = Threads::Running { copies: copies.clone(), thread };
        Ok(copies)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_is_started_once_it_was_stopped() {
        for needed in [false, true] {
            let shadows = Shadows::new(Arc::new(Settings::default()));
            assert!(!needed || shadows.copies().is_ok());
            shadows.stop();
            assert!(shadows.copies().is_err());
            shadows.stop();
        }
    }
}
