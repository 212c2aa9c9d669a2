//! A runtime that never sleeps, for generators that need a library's protocol: HTTP/2, TLS.

use crate::clock;
use crate::tally::{Measurement, Tally, warm_up};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// The tally that all tasks of a generator write to.
pub type SharedTally = Rc<RefCell<Tally>>;

/// Lets `start` spawn its tasks, lets them run for the warm-up and the measured time, and gives the report.
///
/// # Errors
/// When there can be no runtime, or `start` fails.
pub fn measure<F>(
    measured: Duration,
    processes: &[u32],
    start: impl FnOnce(SharedTally) -> F,
) -> io::Result<String>
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let tally = SharedTally::default();
        start(Rc::clone(&tally)).await?;
        spin_until(clock::now() + warm_up(measured)).await;
        let measurement = Measurement::begin(&mut tally.borrow_mut(), processes);
        spin_until(clock::now() + measured).await;
        Ok(measurement.report(tally.take()))
    })
}

/// Lets the tasks run; where they have nothing to do, the rest of the time slice is given to others.
async fn spin_until(deadline: Instant) {
    while clock::now() < deadline {
        tokio::task::yield_now().await;
        rustix::thread::sched_yield();
    }
}
