//! Couriers: one task for each receiver that has not got all of a release's notices. A courier brings them one after the
//! other and writes down what came of each.

use crate::book::{Page, Release};
use crate::clock::{monotonic, now_ms, pause};
use crate::controller::Context;
use crate::journal::Event;
use crate::notify::{Notice, deliver};
use model::policy::Receiver;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The pause after a first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The couriers of one app, by release and receiver.
#[derive(Default)]
pub(super) struct Couriers {
    running: BTreeMap<(String, String), JoinHandle<()>>,
}

impl Couriers {
    /// A courier for everyone who waits for something.
    pub(super) fn follow(&mut self, context: &Arc<Context>, releases: &[Arc<Release>], fence: u64) {
        self.running.retain(|_, task| !task.is_finished());
        for release in releases {
            let notices = &release.folded.notices;
            for receiver in notices.receivers().iter().filter(|receiver| notices.next(receiver).is_some()) {
                let key = (release.folded.release.clone(), receiver.name.clone());
                self.running.entry(key).or_insert_with(|| {
                    let courier = Courier {
                        context: Arc::clone(context),
                        fence,
                        release: release.folded.release.clone(),
                        receiver: receiver.clone(),
                    };
                    tokio::spawn(courier.run())
                });
            }
        }
    }

    /// Lets go of them; what they have not written down is delivered again by their successors.
    pub(super) async fn stop(&mut self) {
        for (_, task) in std::mem::take(&mut self.running) {
            task.abort();
            let _ = task.await;
        }
    }
}

struct Courier {
    context: Arc<Context>,
    fence: u64,
    release: String,
    receiver: Receiver,
}

impl Courier {
    /// Until nothing is left. The time to give up counts from the first failure since the last success: a receiver that
    /// is dead for long does not hold each notice up for the whole of it.
    async fn run(self) {
        let mut failing: Option<Instant> = None;
        let mut tries = 0u32;
        while let Some((page, notice)) = self.next() {
            tries = tries.saturating_add(1);
            let base_dir = &self.context.settings.base_dir;
            let Err(failure) = deliver(&self.receiver, &page.folded, &notice, base_dir, now_ms()).await
            else {
                self.write_down(&notice, tries, None).await;
                (failing, tries) = (None, 0);
                continue;
            };
            let since = *failing.get_or_insert_with(monotonic);
            let patience = Duration::from_millis(self.receiver.give_up_after_ms);
            if monotonic().saturating_duration_since(since) >= patience {
                tracing::warn!(
                    release = self.release,
                    receiver = self.receiver.name,
                    why = failure.why,
                    "a notice was given up"
                );
                self.write_down(&notice, tries, Some(failure.why)).await;
                tries = 0;
                continue;
            }
            self.tell_trouble(Some(format!("tried {tries} times: {}", failure.why)));
            let rest = failure.pause.unwrap_or_else(|| back_off(tries)).min(patience);
            pause(rest.max(FIRST_PAUSE.min(patience))).await;
        }
        self.tell_trouble(None);
    }

    fn next(&self) -> Option<(Arc<Release>, Notice)> {
        let Some(Page::Whole(page)) = self.context.book.get(&self.release) else { return None };
        let notice = page.folded.notices.next(&self.receiver)?.clone();
        Some((page, notice))
    }

    /// Until it stands in the journal: otherwise it would be sent again at once.
    async fn write_down(&self, notice: &Notice, tries: u32, failure: Option<String>) {
        self.tell_trouble(failure.clone());
        let receiver = self.receiver.name.clone();
        let event = Event::Notified { receiver, mark: notice.mark, tries, failure };
        let actor = self.context.actor();
        let mut failures = 0u32;
        while let Err(error) = self.context.book.append(&self.release, self.fence, &actor, &event).await {
            failures = failures.saturating_add(1);
            tracing::debug!(%error, "a delivery is not written down yet");
            pause(back_off(failures)).await;
        }
    }

    fn tell_trouble(&self, trouble: Option<String>) {
        self.context.put_trouble(&self.release, &self.receiver.name, trouble);
    }
}

fn back_off(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST_PAUSE)
}
