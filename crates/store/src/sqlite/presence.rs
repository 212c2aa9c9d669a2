//! Who has the files open: whether this process is the only one, and one opener at a time.
//!
//! Two things may only be done to files that nobody else has open: migrating `state.db`, and throwing the former life's
//! `live.db` away. Two locks, because a lock cannot be turned from exclusive to shared in one step (flock(2)): `lock.open`
//! is held while opening, and under it `lock.use` is taken, exclusively if possible, and kept shared for life.

use crate::Result;
use crate::clock::pause;
use crate::directory::{open_private, trouble};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How long to wait for another opener, which may be migrating a large file.
const OPENING_LIMIT: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(5);

/// This process has the files open.
#[derive(Debug)]
pub(super) struct Presence {
    _used: File,
}

/// This process is opening the files, and no other is.
#[derive(Debug)]
pub(super) struct Opening {
    used: File,
    alone: bool,
    _opening: File,
}

impl Opening {
    /// Waits for its turn.
    pub(super) fn begin(dir: &Path) -> Result<Opening> {
        let path = dir.join("lock.open");
        let opening = open_private(&path)?;
        let mut left = OPENING_LIMIT.as_millis() / RETRY.as_millis();
        while let Err(error) = flock(&opening, FlockOperation::NonBlockingLockExclusive) {
            if error != Errno::WOULDBLOCK || left == 0 {
                return Err(trouble(&path, "lock it", error));
            }
            left -= 1;
            pause(RETRY);
        }
        let path = dir.join("lock.use");
        let used = open_private(&path)?;
        let alone = match flock(&used, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(Errno::WOULDBLOCK) => false,
            Err(error) => return Err(trouble(&path, "lock it", error)),
        };
        flock(&used, FlockOperation::LockShared).map_err(|error| trouble(&path, "lock it", error))?;
        Ok(Opening { used, alone, _opening: opening })
    }

    /// Whether no other store has the files open.
    pub(super) fn alone(&self) -> bool {
        self.alone
    }

    /// Lets the next opener begin.
    pub(super) fn done(self) -> Presence {
        Presence { _used: self.used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_is_alone_until_all_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let enter = || {
            let opening = Opening::begin(dir.path()).unwrap();
            (opening.alone(), opening.done())
        };
        let (alone, first) = enter();
        assert!(alone);
        let (alone, second) = enter();
        assert!(!alone);
        drop(first);
        assert!(!enter().0);
        drop(second);
        assert!(enter().0);
    }

    #[test]
    fn a_second_opener_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let opening = Opening::begin(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Opening::begin(dir.path()).unwrap().alone());
            let first = opening.done();
            assert!(!second.join().unwrap());
            drop(first);
        });
    }
}
