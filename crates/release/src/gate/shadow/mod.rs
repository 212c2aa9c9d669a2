//! Shadow: live requests are copied to the new version by the gateways, which compare its answers with those that the
//! users got. This gate only watches what they count, and judges it.
//!
//! The copies are made because the release has written so ([`crate::machine`] asks for it before this gate runs, and ends
//! it afterwards). [`tally`] adds the gateways up, [`finding`] is the verdict; both are pure.

mod finding;
mod tally;

use super::evidence::Evidence;
use super::{GateContext, GateOutcome, GateRunner, Shadows, Verdict};
use crate::clock;
use async_trait::async_trait;
use finding::Finding;
use model::policy;
use std::time::Duration;
use tally::Tally;

/// Between two looks at what the gateways have counted.
const LOOK: Duration = Duration::from_millis(200);
/// How long the gateways may take to begin, once they run the change.
const BEGIN: Duration = Duration::from_secs(10);

/// The shadow gate.
#[derive(Clone, Debug)]
pub(super) struct Shadow {
    pub(super) policy: policy::Shadow,
}

#[async_trait]
impl GateRunner for Shadow {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        let Some(shadows) = &context.shadows else {
            return unclear("no live requests are copied to the new version");
        };
        let mut tally = Tally::default();
        match self.watch(context, shadows.as_ref(), &mut tally).await {
            Ok(()) => Finding::of(&self.policy, &tally).outcome(),
            Err(why) => GateOutcome {
                shadow: Some(Box::new(tally.summary(self.policy.noise_share > 0.0))),
                ..unclear(&why)
            },
        }
    }
}

impl Shadow {
    /// Watches until enough was compared, or time is over; `Err`: why nothing can be said.
    async fn watch(
        &self,
        context: &GateContext,
        shadows: &dyn Shadows,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let began = clock::monotonic();
        let limit = Duration::from_millis(context.timeout_ms).saturating_sub(LOOK);
        let mut armed_at = None;
        loop {
            let elapsed = clock::monotonic().saturating_duration_since(began);
            match shadows.look().await {
                Some(seen) => tally.look(seen),
                None => tally.look_in_vain(),
            }
            if let Some(why) = tally.refused() {
                return Err(why);
            }
            let waits_for = tally.waits_for();
            if waits_for.is_none() && armed_at.is_none() {
                armed_at = Some(elapsed);
            }
            match (armed_at, waits_for) {
                (Some(armed_at), _) => {
                    let finding = Finding::of(&self.policy, tally);
                    context.progress.tell(&finding.progress());
                    let copied_for = elapsed.saturating_sub(armed_at);
                    if finding.is_over(copied_for) || elapsed >= limit {
                        return tally.unread();
                    }
                }
                (None, Some(why)) if elapsed >= BEGIN.min(limit) => return Err(why),
                (None, Some(why)) => context.progress.tell(&why),
                (None, None) => {}
            }
            clock::pause(LOOK).await;
        }
    }
}

fn unclear(why: &str) -> GateOutcome {
    let mut evidence = Evidence::new(Vec::new());
    evidence.note(Verdict::Inconclusive, why);
    evidence.into_outcome(why)
}
