//! The data directory: made private, and locked once per role.

use crate::clock::pause;
use crate::{Result, StoreError};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// Keeps other processes from taking the same role on the same directory, until it is dropped or the process ends,
/// however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    held: Vec<File>,
}

impl DirectoryLock {
    /// The files that the lock stands on. A process that is given a duplicate of them (`SCM_RIGHTS`) holds the lock, too:
    /// it ends with the last duplicate.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.held
    }

    /// The lock of the process that handed its [`DirectoryLock::files`] over.
    #[must_use]
    pub fn handed(files: Vec<File>) -> DirectoryLock {
        DirectoryLock { held: files }
    }

    /// Names this process as the one that others are to be told of.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn name_holder(&self) -> io::Result<()> {
        self.held.iter().try_for_each(write_pid)
    }
}

/// How long to wait for a process that is about to end: the system ends its lock only when it has taken it down.
const ENDING_LIMIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(10);

/// Locks a data directory for a role: `gateway`, `controller`, or `all`, which is both of them. Makes the directory if
/// it does not exist. Blocks for up to a second while another process has the role: it may be about to end.
///
/// # Errors
/// [`StoreError::Locked`] if another process has the role, [`StoreError::Backend`] if the directory is not writable or
/// the role is none of the three.
pub fn lock(dir: &Path, role: &str) -> Result<DirectoryLock> {
    let roles: &[&str] = match role {
        "gateway" => &["gateway"],
        "controller" => &["controller"],
        "all" => &["gateway", "controller"],
        _ => {
            let unknown = io::Error::new(io::ErrorKind::InvalidInput, format!("unknown role {role:?}"));
            return Err(trouble(dir, "lock it", unknown));
        }
    };
    prepare(dir)?;
    let held = roles.iter().map(|role| lock_role(dir, role)).collect::<Result<Vec<_>>>()?;
    Ok(DirectoryLock { held })
}

fn lock_role(dir: &Path, role: &str) -> Result<File> {
    let path = dir.join(format!("lock.{role}"));
    let mut file = open_private(&path)?;
    let mut left = ENDING_LIMIT.as_millis() / RETRY.as_millis();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK) if left > 0 => {
                left -= 1;
                pause(RETRY);
            }
            Err(Errno::WOULDBLOCK) => {
                let (path, role) = (dir.display().to_string(), role.to_owned());
                return Err(StoreError::Locked { path, role, pid: holder(&mut file) });
            }
            Err(error) => return Err(trouble(&path, "lock it", error)),
        }
    }
    write_pid(&file).map_err(|error| trouble(&path, "write to it", error))?;
    Ok(file)
}

/// The lock is the flock; the number is only for the other's error message.
fn write_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes the directory and its parents, readable by nobody else, unless it is there.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| trouble(dir, "create it", error))
}

/// Opens a file for reading and writing, and makes it, readable by nobody else, if it is not there.
pub(crate) fn open_private(path: &Path) -> Result<File> {
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| trouble(path, "open it", error))
}

/// Makes new names in a directory survive a loss of power.
pub(crate) fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| trouble(dir, "sync it", error))
}

/// An error of the file system about `path`.
pub(crate) fn trouble(
    path: &Path,
    action: &'static str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Backend { path: path.display().to_string(), action, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_second_holder_of_a_role_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let _held = lock(dir.path(), "gateway").unwrap();
        let error = lock(dir.path(), "gateway").unwrap_err();
        assert!(
            matches!(&error, StoreError::Locked { role, pid: Some(pid), .. }
            if role == "gateway" && *pid == std::process::id()),
            "{error}"
        );
        assert!(
            error.to_string().contains(&format!("another tealgate (pid {})", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn gateway_and_controller_share_a_directory_and_all_shares_it_with_neither() {
        let dir = tempfile::tempdir().unwrap();
        let gateway = lock(dir.path(), "gateway").unwrap();
        let controller = lock(dir.path(), "controller").unwrap();
        assert!(matches!(lock(dir.path(), "all"), Err(StoreError::Locked { .. })));
        drop(gateway);
        assert!(matches!(lock(dir.path(), "all"), Err(StoreError::Locked { .. })));
        drop(controller);
        let _all = lock(dir.path(), "all").unwrap();
        assert!(matches!(lock(dir.path(), "gateway"), Err(StoreError::Locked { .. })));
        assert!(matches!(lock(dir.path(), "controller"), Err(StoreError::Locked { .. })));
    }

    #[test]
    fn a_lock_is_held_until_the_last_who_was_handed_it_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path(), "all").unwrap();
        let files = first.files().iter().map(|file| file.try_clone().unwrap()).collect();
        let second = DirectoryLock::handed(files);
        drop(first);
        assert!(matches!(lock(dir.path(), "gateway"), Err(StoreError::Locked { .. })));
        std::fs::write(dir.path().join("lock.gateway"), "7").unwrap();
        second.name_holder().unwrap();
        let pid = std::fs::read_to_string(dir.path().join("lock.gateway")).unwrap();
        assert_eq!(pid.trim(), std::process::id().to_string());
        drop(second);
        let _third = lock(dir.path(), "all").unwrap();
    }

    #[test]
    fn one_that_is_about_to_end_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let ending = lock(dir.path(), "gateway").unwrap();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| lock(dir.path(), "gateway").is_ok());
            drop(ending);
            assert!(next.join().unwrap());
        });
    }

    #[test]
    fn a_lock_that_is_not_readable_still_says_that_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let _held = lock(dir.path(), "gateway").unwrap();
        std::fs::write(dir.path().join("lock.gateway"), "no number").unwrap();
        assert!(matches!(lock(dir.path(), "gateway"), Err(StoreError::Locked { pid: None, .. })));
    }

    #[test]
    fn the_directory_and_its_files_are_private() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        let _held = lock(&dir, "all").unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(dir.join("lock.gateway")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let error = lock(Path::new("/proc/tealgate"), "all").unwrap_err();
        assert!(matches!(&error, StoreError::Backend { path, .. } if path == "/proc/tealgate"), "{error}");
    }

    #[test]
    fn an_unknown_role_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(lock(dir.path(), "../gateway"), Err(StoreError::Backend { .. })));
    }
}
