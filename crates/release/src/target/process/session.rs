//! The processes of one instance: a session leader that Tealgate started, and whatever it has forked.
//!
//! Identity is never a pid alone. A leader is known by boot, pid and start time through a pidfd, and its environment must
//! not name another instance. A member is known by the session id, which the kernel gives to nobody else as long
//! as the leader is there (alive or unreaped) or any member that was seen before is.

use super::proc_fs::{self, Stat};
use crate::target::pidfd::Pidfd;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The variable that carries the instance's id; the only one in a process's environment that is not in its spec.
pub const INSTANCE_ID: &str = "TEALGATE_INSTANCE_ID";

/// From SIGKILL to giving up: only a process stuck in the kernel takes longer.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// What tells a process from every other that ever had or will have its pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Process id, and its session's.
    pub(super) pid: u32,
    /// Field 22 of `/proc/<pid>/stat`.
    pub(super) start_time: u64,
    /// The boot in which both hold.
    pub(super) boot_id: String,
}

/// One instance's processes.
#[derive(Debug)]
pub(super) struct Session {
    instance: String,
    mark: Mark,
    leader: Arc<Pidfd>,
    seen: Vec<Member>,
}

/// A process of the session: pid and start time.
type Member = (u32, u64);

impl Session {
    /// Takes hold of a child that was just started and not yet waited for.
    ///
    /// # Errors
    /// When the system has no descriptors left, or `/proc` is not there.
    pub(super) fn of_child(pid: u32, instance: &str) -> io::Result<Session> {
        let leader = Arc::new(Pidfd::open(pid)?);
        let start_time = proc_fs::stat(pid).ok_or(io::ErrorKind::NotFound)?.start_time;
        let mark = Mark { pid, start_time, boot_id: proc_fs::boot_id()? };
        Ok(Session { instance: instance.to_owned(), mark, leader, seen: Vec::new() })
    }

    /// Takes hold of a process that an earlier Tealgate started; `None` if it does not run any more.
    ///
    /// The pidfd is opened first and the identity read afterwards: what matches then has lived all the time, so the
    /// pidfd is its.
    ///
    /// # Errors
    /// As [`Session::of_child`].
    pub(super) fn adopt(mark: &Mark, instance: &str) -> io::Result<Option<Session>> {
        if mark.boot_id != proc_fs::boot_id()? {
            return Ok(None);
        }
        let leader = match Pidfd::open(mark.pid) {
            Ok(leader) => Arc::new(leader),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let same =
            proc_fs::stat(mark.pid).is_some_and(|stat| stat.runs() && stat.start_time == mark.start_time);
        let named = proc_fs::environ_value(mark.pid, INSTANCE_ID);
        if !same || named.is_some_and(|other| other != instance) {
            return Ok(None);
        }
        Ok(Some(Session { instance: instance.to_owned(), mark: mark.clone(), leader, seen: Vec::new() }))
    }

    /// What to remember of it.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The leader, to wait for.
    pub(super) fn leader(&self) -> Arc<Pidfd> {
        Arc::clone(&self.leader)
    }

    /// SIGTERM to every process of the session. Whether nothing of it runs any more, after `limit` at the latest.
    ///
    /// # Errors
    /// When a process runs as somebody else.
    pub(super) async fn terminate(&mut self, limit: Duration) -> io::Result<bool> {
        self.signal(Signal::TERM).await?;
        match timeout(limit, self.wait_until_empty()).await {
            Ok(done) => {
                done?;
                self.leader.reap();
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    /// SIGKILL to every process of the session. Returns when nothing of it runs.
    ///
    /// # Errors
    /// When something still runs ten seconds later.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        let killed = timeout(KILL_LIMIT, async {
            // Again until none is left: a member may have forked while it was listed.
            while let Some(member) = self.signal(Signal::KILL).await? {
                member.exited().await;
            }
            io::Result::Ok(())
        });
        killed.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it does not die of SIGKILL"))??;
        self.leader.reap();
        Ok(())
    }

    /// The inodes of all sockets that processes of the session hold.
    ///
    /// # Errors
    /// When one of the processes may not be looked at: it runs as somebody else.
    pub(super) async fn owned_sockets(&mut self) -> io::Result<Vec<u64>> {
        let members = self.members().await?;
        blocking(move || {
            let mut inodes = Vec::new();
            for (pid, _) in members {
                match proc_fs::socket_inodes(pid) {
                    Ok(sockets) => inodes.extend(sockets),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(inodes)
        })
        .await?
    }

    /// Signals all members; gives one of them to wait for.
    async fn signal(&mut self, signal: Signal) -> io::Result<Option<Pidfd>> {
        let mut one = None;
        for member in self.members().await? {
            let Some(pidfd) = hold(member) else { continue };
            pidfd.signal(signal)?;
            one = Some(pidfd);
        }
        Ok(one)
    }

    async fn wait_until_empty(&mut self) -> io::Result<()> {
        while let Some(member) = self.members().await?.into_iter().next() {
            if let Some(pidfd) = hold(member) {
                pidfd.exited().await;
            }
        }
        Ok(())
    }

    /// The processes of the session that run now.
    async fn members(&mut self) -> io::Result<Vec<Member>> {
        let (mark, instance, seen) =
            (self.mark.clone(), self.instance.clone(), std::mem::take(&mut self.seen));
        self.seen = blocking(move || list_members(&mark, &instance, &seen)).await?;
        Ok(self.seen.clone())
    }
}

fn list_members(mark: &Mark, instance: &str, seen: &[Member]) -> Vec<Member> {
    let leader = proc_fs::stat(mark.pid).filter(|stat| stat.start_time == mark.start_time);
    let in_session: Vec<(u32, Stat)> = proc_fs::pids()
        .into_iter()
        .filter_map(|pid| Some((pid, proc_fs::stat(pid)?)))
        .filter(|(pid, stat)| stat.runs() && stat.session == mark.pid && *pid != mark.pid)
        .collect();
    let still_ours =
        leader.is_some() || in_session.iter().any(|(pid, stat)| seen.contains(&(*pid, stat.start_time)));
    let members = in_session
        .into_iter()
        .filter(|(pid, _)| {
            still_ours || proc_fs::environ_value(*pid, INSTANCE_ID).as_deref() == Some(instance)
        })
        .map(|(pid, stat)| (pid, stat.start_time));
    // The leader is one before it has made its session, too.
    leader.filter(Stat::runs).map(|stat| (mark.pid, stat.start_time)).into_iter().chain(members).collect()
}

/// Opens a pidfd for a member; `None` if it is gone.
fn hold((pid, start_time): Member) -> Option<Pidfd> {
    let pidfd = Pidfd::open(pid).ok()?;
    proc_fs::stat(pid).filter(|stat| stat.start_time == start_time).map(|_| pidfd)
}

/// All running processes that carry an instance's id.
fn named(instance: &str) -> Vec<Member> {
    let carries = |pid: &u32| proc_fs::environ_value(*pid, INSTANCE_ID).as_deref() == Some(instance);
    proc_fs::pids()
        .into_iter()
        .filter(carries)
        .filter_map(|pid| Some((pid, proc_fs::stat(pid).filter(Stat::runs)?.start_time)))
        .collect()
}

/// Kills what is left of an instance whose leader died while nobody watched, or was never recorded.
///
/// # Errors
/// When something still runs ten seconds after SIGKILL.
pub(super) async fn sweep(instance: &str) -> io::Result<()> {
    let swept = timeout(KILL_LIMIT, async {
        loop {
            let id = instance.to_owned();
            let left: Vec<Pidfd> = blocking(move || named(&id)).await?.into_iter().filter_map(hold).collect();
            if left.is_empty() {
                return io::Result::Ok(());
            }
            for pidfd in &left {
                pidfd.signal(Signal::KILL)?;
            }
            for pidfd in &left {
                pidfd.exited().await;
                pidfd.reap();
            }
        }
    });
    swept
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "a left-over process does not die of SIGKILL"))?
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)
}
