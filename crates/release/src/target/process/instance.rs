//! The handle of one supervised instance: what is wanted of it, what is seen of it.

use super::blueprint::Blueprint;
use super::start::Live;
use super::supervisor::Supervisor;
use crate::target::{InstanceState, InstanceStatus};
use std::io;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is wanted of an instance. A channel that is closed means: leave the process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Run,
    Stop,
}

/// How an instance begins to be supervised.
#[derive(Debug)]
pub(super) enum Begin {
    /// Its process runs already.
    Adopt(Box<Live>),
    /// A process is started, on the port that the instance had before if it still is free.
    Start { port: Option<u16> },
}

/// A supervised instance. Dropping it ends the supervision, not the process.
#[derive(Debug)]
pub(super) struct Instance {
    wish: watch::Sender<Wish>,
    status: watch::Receiver<InstanceStatus>,
    task: JoinHandle<io::Result<()>>,
}

impl Instance {
    /// Begins to supervise.
    pub(super) fn supervise(blueprint: Arc<Blueprint>, number: u16, begin: Begin) -> Instance {
        let (wish, wished) = watch::channel(Wish::Run);
        let (said, status) = watch::channel(InstanceStatus {
            number,
            host: blueprint.reached_at().to_string(),
            port: 0,
            pid: None,
            state: InstanceState::Starting,
            restarts: 0,
            detail: "is being started".to_owned(),
            crash_loop: None,
        });
        let supervisor = Supervisor::new(blueprint, number, wished, said);
        Instance { wish, status, task: tokio::spawn(supervisor.run(begin)) }
    }

    /// What is seen of it now.
    pub(super) fn status(&self) -> InstanceStatus {
        self.status.borrow().clone()
    }

    /// Says that it is to stop; [`Instance::stop`] waits for it.
    pub(super) fn wish_stop(&self) {
        self.wish.send_replace(Wish::Stop);
    }

    /// Stops it and returns when nothing of it runs.
    ///
    /// # Errors
    /// When something of it cannot be ended.
    pub(super) async fn stop(self) -> io::Result<()> {
        self.wish_stop();
        self.task.await.map_err(io::Error::other)?
    }

    /// Stops supervising; the process goes on.
    pub(super) async fn abandon(self) {
        drop(self.wish);
        let _ = self.task.await;
    }
}
