//! Load: the new version under a fixed rate in an open loop, and beside it the live one under the same mix, compared.
//!
//! Both are asked directly, instance by instance, so none of these requests counts as a user's. The load stops at once
//! when the live version suffers, and as soon as the new one is worse. The generator runs where the controller does; if
//! it is late itself, the verdict is inconclusive.
//!
//! [`run`] is the course of one run, [`finding`] its verdict; the rest is arithmetic.

mod comparison;
mod finding;
mod mix;
mod recording;
mod run;
mod side;
mod slices;
mod users;

use super::evidence::Evidence;
use super::{GateContext, GateOutcome, GateRunner, Verdict};
use async_trait::async_trait;
use model::policy;
use std::path::Path;
use tokio::task::spawn_blocking;

/// The load gate.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) load: Box<policy::Load>,
}

#[async_trait]
impl GateRunner for Load {
    async fn run(&self, context: &GateContext) -> GateOutcome {
        let base_dir = Path::new("/").join(&context.base_dir);
        let (load, service, release) = (self.load.clone(), context.service.clone(), context.release.clone());
        // A recording may be long, and a disk slow.
        let mix = spawn_blocking(move || mix::read(&load, &base_dir, &service, &release)).await;
        let mix = match mix.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(mix) => mix,
            Err(why) => return not_run(Vec::new(), &why),
        };
        let (secrets, words) = (mix.secrets.clone(), mix.words.clone());
        let finding = match run::run(&self.load, context, mix).await {
            Ok(finding) => finding,
            Err(why) => return not_run(secrets, &why),
        };
        let (verdict, why) = finding.verdict();
        let mut evidence = Evidence::new(secrets);
        evidence.note(verdict, &why);
        words.iter().chain(&finding.lines()).for_each(|line| evidence.note(Verdict::Pass, line));
        GateOutcome { did_harm: finding.did_harm(), ..evidence.into_outcome(&why) }
    }
}

fn not_run(secrets: Vec<String>, why: &str) -> GateOutcome {
    let mut evidence = Evidence::new(secrets);
    evidence.note(Verdict::Inconclusive, why);
    evidence.into_outcome(&format!("no load was sent: {why}"))
}
