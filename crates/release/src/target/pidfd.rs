//! A process held by a pidfd: its exit is an event, and a signal can reach no one else.
//!
//! A pid alone may be somebody else's by the time it is used; a pidfd stays the process that it was opened for. What
//! this module must not do is decide *whether* a pid is the right process: that is [`super::process::session`]'s.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process that cannot be confused with a later one of the same pid.
#[derive(Debug)]
pub(crate) struct Pidfd {
    fd: AsyncFd<OwnedFd>,
}

/// How a process ended, as far as it can be known: only its parent is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It called `exit` with this status.
    Status(i32),
    /// This signal ended it.
    Signal(i32),
    /// It is not our child (an earlier Tealgate started it), so nobody tells us.
    Untold,
}

impl Pidfd {
    /// Opens a pidfd. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// `ESRCH` when there is no such process; what the system says when descriptors run out.
    pub(crate) fn open(pid: u32) -> io::Result<Pidfd> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        let fd = pidfd_open(pid, PidfdFlags::empty())?;
        #[allow(
            deprecated,
            reason = "the new constructor is unsafe; an OwnedFd keeps what it asks of the caller"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Pidfd { fd })
    }

    /// Returns when the process has exited, also if that was long ago.
    pub(crate) async fn exited(&self) {
        while !self.has_exited() {
            match self.fd.readable().await {
                // The kernel's word counts, not the runtime's cached readiness.
                Ok(mut guard) if !self.has_exited() => guard.clear_ready(),
                Ok(_) => return,
                // The runtime shuts down: that is no word about the process, which may well go on.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Whether the process has exited (it may still be a zombie).
    pub(crate) fn has_exited(&self) -> bool {
        let mut fds = [PollFd::new(self.fd.get_ref(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(ready) if ready > 0)
    }

    /// Sends a signal; a process that is gone already is no error.
    ///
    /// # Errors
    /// `EPERM` when the process runs as somebody else.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.fd.get_ref(), signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How the exited process ended; it stays a zombie, so that its pid stays taken.
    pub(crate) fn ending(&self) -> Ending {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
    }

    /// Reaps the exited process, if it is our child.
    pub(crate) fn reap(&self) -> Ending {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    fn wait(&self, options: WaitIdOptions) -> Ending {
        let Ok(Some(status)) = waitid(WaitId::PidFd(self.fd.get_ref().as_fd()), options) else {
            return Ending::Untold;
        };
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Status(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Untold,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Status(code) => write!(f, "exited with status {code}"),
            Ending::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Ending::Untold => f.write_str("exited (its status is not known: an earlier Tealgate started it)"),
        }
    }
}
