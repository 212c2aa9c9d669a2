//! Asks one running instance for its readiness, over and over.

use super::blueprint::Blueprint;
use super::listener::OwnerCheck;
use super::session::Session;
use crate::clock;
use crate::failpoint::ProcessStep;
use crate::target::probe::{self, Question};
use crate::target::readiness::Window;
use crate::target::{InstanceState, InstanceStatus};
use model::target::Probe;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;

/// The prober of one instance.
#[derive(Debug)]
pub(super) struct Prober<'a> {
    pub(super) blueprint: &'a Blueprint,
    pub(super) number: u16,
    pub(super) port: u16,
}

impl Prober<'_> {
    /// Says what it finds, until it is dropped.
    pub(super) async fn run(
        &self,
        session: &mut Session,
        said: &watch::Sender<InstanceStatus>,
    ) -> Infallible {
        let readiness = &self.blueprint.target.readiness;
        let mut window = Window::new(readiness);
        let mut owner = OwnerCheck::default();
        let mut was_ready = false;
        loop {
            let answer = self.ask(&mut owner, session).await;
            window.record(answer.is_ok());
            let is_first_time = window.ready() && !was_ready;
            was_ready |= window.ready();
            let state = InstanceState::of_running(window.ready(), was_ready);
            let say = async {
                said.send_modify(|status| {
                    status.state = state;
                    status.detail = answer.unwrap_or_else(|wrong| wrong);
                });
            };
            if is_first_time {
                self.blueprint.step(self.number, ProcessStep::Ready, say).await;
            } else {
                say.await;
            }
            clock::pause(Duration::from_millis(readiness.interval_ms.max(1))).await;
        }
    }

    /// One question. Whose port it is comes first: the answer of a stranger is worth nothing.
    async fn ask(&self, owner: &mut OwnerCheck, session: &mut Session) -> Result<String, String> {
        let address = self.blueprint.reached_at();
        owner.check(session, address, self.port).await?;
        let resolver = self.blueprint.resolver(self.number, self.port);
        let probe = match resolver.probe()? {
            Probe::Http { .. } if self.speaks_https() => Probe::Tcp {},
            probe => probe,
        };
        let question = Question {
            probe: &probe,
            host: &address.to_string(),
            port: self.port,
            limit: Duration::from_millis(self.blueprint.target.readiness.timeout_ms),
        };
        probe::ask(&question, || Ok((resolver.variables()?, resolver.working_dir()?))).await
    }

    fn speaks_https(&self) -> bool {
        let upstream = self.blueprint.target.upstream.as_ref();
        upstream.and_then(|upstream| upstream.get("scheme")).is_some_and(|scheme| scheme == "https")
    }
}
