//! The thread that looks at the guards. It is no request thread and no task of a runtime that others could keep busy;
//! while no guard is armed it sleeps.

use super::Guards;
use crate::clock;
use crate::delivery::Delivery;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at the counters.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// Every so many looks the latches are read again: the process that hands over to this one may write to them.
const LOOKS_PER_LATCH: u32 = 25;

/// Wakes the thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<Rung>,
    heard: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    stop: bool,
}

impl Bell {
    /// There is a guard to look at.
    pub(super) fn ring(&self) {
        drop(self.rung());
        self.heard.notify_all();
    }

    /// Waits for the next look: not at all long while `armed`, else until it is rung. Says whether to go on.
    fn wait(&self, armed: impl Fn() -> bool) -> bool {
        let mut rung = self.rung();
        if armed() {
            rung = self.heard.wait_timeout(rung, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        } else {
            while !rung.stop && !armed() {
                rung = self.heard.wait(rung).unwrap_or_else(PoisonError::into_inner);
            }
        }
        !rung.stop
    }

    fn rung(&self) -> MutexGuard<'_, Rung> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
pub(crate) struct Stop {
    guards: Arc<Guards>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.guards.bell.rung().stop = true;
        self.guards.bell.ring();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of guards has panicked");
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system has none left.
pub(crate) fn watch(guards: &Arc<Guards>, delivery: &Arc<Delivery>) -> std::io::Result<Stop> {
    let (seen, delivery) = (Arc::clone(guards), Arc::downgrade(delivery));
    let builder = std::thread::Builder::new().name("guards".to_owned());
    let thread = builder.spawn(move || look_forever(&seen, &delivery))?;
    Ok(Stop { guards: Arc::clone(guards), thread: Some(thread) })
}

fn look_forever(guards: &Guards, delivery: &Weak<Delivery>) {
    let mut looks = 0u32;
    while guards.bell.wait(|| guards.armed()) {
        looks = looks.wrapping_add(1);
        let now = clock::now();
        let fired = guards.look(now, looks.is_multiple_of(LOOKS_PER_LATCH));
        if fired.is_empty() {
            continue;
        }
        let Some(delivery) = delivery.upgrade() else { return };
        // A thread that has ended is told of elsewhere, and the process with it.
        let _ = delivery.deliver_again();
        let after = clock::now().saturating_duration_since(now);
        fired.iter().for_each(|guard| guard.swapped(after));
        guards.tell();
        fired.iter().for_each(|guard| guard.latch());
        guards.tell();
    }
}
