//! How one process tells the others that it has committed.
//!
//! sqlite has no notification across processes. Watching its files does not do either: the log is written *before* the
//! commit counts, and what makes it count is a write to shared memory, which no file event shows. So whoever has
//! committed writes a byte to a file, the bell, and a thread of every process waits for that with inotify(7). A bell
//! that is not heard (the ringer was killed between the two, the file is gone) costs a second: the thread looks anyway.

use crate::Result;
use crate::directory::{self, trouble};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often to look where nothing is heard.
pub(super) const FALLBACK: Duration = Duration::from_secs(1);

/// How often to look where nothing can be heard: no inotify instances are left (`fs.inotify.max_user_instances`).
const DEAF: Duration = Duration::from_millis(20);

/// Rung after a commit.
#[derive(Debug)]
pub(super) struct Bell {
    file: File,
    path: PathBuf,
}

impl Bell {
    /// Opens the bell, and makes it if it is not there.
    pub(super) fn open(dir: &Path, name: &str) -> Result<Bell> {
        let path = dir.join(name);
        Ok(Bell { file: directory::open_private(&path)?, path })
    }

    /// Tells the others. What was committed stays committed if that fails: they look by themselves a second later.
    pub(super) fn ring(&self) {
        if let Err(error) = self.file.write_all_at(b"!", 0) {
            tracing::warn!(path = %self.path.display(), %error, "cannot tell other processes of a change");
        }
    }
}

/// A thread that looks whenever a bell rings. Dropping it ends the thread and waits for it.
#[derive(Debug)]
pub(super) struct Listener {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Calls `look` whenever one of `bells` rings, and at least every `fallback`.
    pub(super) fn start(
        bells: &[&Bell],
        fallback: Duration,
        mut look: impl FnMut() + Send + 'static,
    ) -> Result<Listener> {
        let path = bells.first().map_or(Path::new(""), |bell| &bell.path).to_owned();
        let failed = |error: io::Error| trouble(&path, "listen to it", error);
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?);
        let (ears, pause) = match listen(bells) {
            Ok(ears) => (Some(ears), fallback),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no inotify: looking for changes every 20 ms");
                (None, DEAF)
            }
        };
        let pause = Timespec::try_from(pause).map_err(|error| failed(io::Error::other(error)))?;
        let stopped = stop.clone();
        let serve = move || {
            // What was rung before the ears were there.
            look();
            while wait(&stopped, ears.as_ref(), &pause) {
                look();
            }
        };
        let thread =
            std::thread::Builder::new().name("store-bell".to_owned()).spawn(serve).map_err(failed)?;
        Ok(Listener { stop, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Eight bytes added to a counter of zero cannot fail, and if it did: do not wait for a thread that never ends.
        if rustix::io::write(&*self.stop, &1_u64.to_ne_bytes()).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn listen(bells: &[&Bell]) -> rustix::io::Result<OwnedFd> {
    let ears = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    for bell in bells {
        inotify::add_watch(&ears, &bell.path, inotify::WatchFlags::MODIFY)?;
    }
    Ok(ears)
}

/// Waits for a bell or the end of `pause`; false when it is time to stop.
fn wait(stop: &OwnedFd, ears: Option<&OwnedFd>, pause: &Timespec) -> bool {
    let mut waiting = vec![PollFd::new(stop, PollFlags::IN)];
    waiting.extend(ears.map(|ears| PollFd::new(ears, PollFlags::IN)));
    match poll(&mut waiting, Some(pause)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => {
            tracing::error!(%error, "the store no longer hears of other processes' changes");
            return false;
        }
    }
    let stopping = waiting.first().is_some_and(|stop| !stop.revents().is_empty());
    if let Some(ears) = ears {
        // Which bell it was does not matter; reading only empties the queue, and a full buffer is read again.
        let mut events = [0_u8; 1024];
        while rustix::io::read(ears, &mut events).is_ok_and(|read| read > 0) {}
    }
    !stopping
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const NEVER: Duration = Duration::from_secs(3_600);
    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_ring_is_heard_without_the_fallback() {
        let dir = tempfile::tempdir().unwrap();
        let bell = Bell::open(dir.path(), "bell").unwrap();
        let (heard, hears) = channel();
        let listener = Listener::start(&[&bell], NEVER, move || _ = heard.send(())).unwrap();
        hears.recv_timeout(LIMIT).unwrap();
        Bell::open(dir.path(), "bell").unwrap().ring();
        hears.recv_timeout(LIMIT).unwrap();
        drop(listener);
        assert!(hears.recv().is_err(), "the thread has ended");
    }

    #[test]
    fn without_a_ring_it_looks_at_the_fallback() {
        let dir = tempfile::tempdir().unwrap();
        let bell = Bell::open(dir.path(), "bell").unwrap();
        let (heard, hears) = channel();
        let _listener =
            Listener::start(&[&bell], Duration::from_millis(1), move || _ = heard.send(())).unwrap();
        for _ in 0..3 {
            hears.recv_timeout(LIMIT).unwrap();
        }
    }

    #[test]
    fn without_inotify_it_looks_often() {
        let dir = tempfile::tempdir().unwrap();
        let bell = Bell::open(dir.path(), "bell").unwrap();
        std::fs::remove_file(dir.path().join("bell")).unwrap();
        let (heard, hears) = channel();
        let _listener = Listener::start(&[&bell], NEVER, move || _ = heard.send(())).unwrap();
        for _ in 0..3 {
            hears.recv_timeout(LIMIT).unwrap();
        }
    }
}
