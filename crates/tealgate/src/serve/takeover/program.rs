//! How this process was started, so that it can start its successor.

use super::READY_LIMIT;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The flag that the successor gets besides our own.
const FLAG: &str = "--takeover";

/// The program and its arguments, as they were said when this process was started.
///
/// Not `/proc/self/exe`: an upgrade puts another binary where ours was, or points a link elsewhere.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
}

impl Program {
    /// That of this process.
    ///
    /// # Errors
    /// When the system does not say where this process is.
    pub(in crate::serve) fn of_this_process() -> io::Result<Program> {
        let directory = std::env::current_dir()?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = match locate(&name, &directory, &path) {
            Some(path) => path,
            None => std::env::current_exe()?,
        };
        Ok(Program { path, arguments: with_flag(arguments.collect()), directory })
    }

    /// Where its binary is.
    pub(in crate::serve) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts the successor. Its end is told in the log if it comes before it has taken over.
    ///
    /// # Errors
    /// When the binary cannot be run.
    pub(in crate::serve) fn start(&self) -> io::Result<Candidate> {
        let mut command = Command::new(&self.path);
        let child =
            command.args(&self.arguments).current_dir(&self.directory).stdin(Stdio::null()).spawn()?;
        let (pid, path) = (child.id(), self.path.display().to_string());
        let (ending, end) = oneshot::channel();
        Ok(Candidate { pid, ending, watch: tokio::spawn(watch(child, path, end)) })
    }
}

/// A process that was started to take over.
#[derive(Debug)]
pub(in crate::serve) struct Candidate {
    pid: Option<u32>,
    /// Tells the watch to end it.
    ending: oneshot::Sender<()>,
    watch: JoinHandle<()>,
}

impl Candidate {
    /// Whether it has not ended.
    pub(in crate::serve) fn runs(&self) -> bool {
        !self.watch.is_finished()
    }

    /// Ends it, unless it is this process, which has taken over: what has not can only hang, or find someone else.
    pub(in crate::serve) async fn end_unless(self, successor: Option<u32>) {
        if self.pid.is_some() && self.pid == successor {
            self.watch.abort();
            return;
        }
        // A watch that has ended has nothing to end.
        let _ = self.ending.send(());
        let _ = self.watch.await;
    }
}

/// Waits for the end of a process that is to take over, and brings it about where it does nothing, or is not needed any more.
async fn watch(mut child: Child, path: String, end: oneshot::Receiver<()>) {
    let ended = tokio::select! {
        ended = timeout(2 * READY_LIMIT, child.wait()) => Some(ended),
        _ = end => None,
    };
    match ended {
        Some(Ok(Ok(status))) => {
            return tracing::error!(path, %status, "the new process has ended, everything goes on as it was");
        }
        Some(Ok(Err(error))) => {
            return tracing::error!(path, %error, "the new process cannot be waited for");
        }
        Some(Err(_)) => tracing::error!(path, "the new process does nothing and is ended"),
        None => tracing::warn!(path, "the process that was to take over has not, and is ended"),
    }
    let _ = child.kill().await;
}

/// The file that a shell would have run for `name`.
fn locate(name: &OsString, directory: &Path, path: &OsString) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(directory.join(name));
    }
    let found = std::env::split_paths(path).map(|part| directory.join(part).join(name));
    found.into_iter().find(|file| !name.is_empty() && file.is_file())
}

fn with_flag(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if !arguments.iter().any(|argument| argument == FLAG) {
        arguments.push(FLAG.into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_a_shell_finds_it() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        std::fs::create_dir(here.join("bin")).unwrap();
        std::fs::write(here.join("bin/tealgate"), "").unwrap();
        let found = |name: &str, path: &str| locate(&name.into(), here, &path.into());
        assert_eq!(found("./bin/tealgate", ""), Some(here.join("./bin/tealgate")));
        assert_eq!(found("/opt/tealgate", ""), Some("/opt/tealgate".into()));
        assert_eq!(found("tealgate", "/nowhere:bin"), Some(here.join("bin/tealgate")));
        assert_eq!(found("tealgate", "/nowhere"), None);
        assert_eq!(found("", "bin"), None);
    }

    #[test]
    fn the_flag_is_given_once() {
        let once = with_flag(vec!["serve".into()]);
        assert_eq!(once, ["serve", "--takeover"]);
        assert_eq!(with_flag(once.clone()), once);
    }
}
