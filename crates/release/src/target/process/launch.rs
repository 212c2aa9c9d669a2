//! The few steps between Tealgate and a program that it runs: a session of its own, then `exec`.
//!
//! A new session can only be made from inside the new process, and code between `fork` and `exec` of a program with
//! threads is unsafe. So Tealgate starts *itself* with a hidden subcommand; that process, with one thread and the final
//! environment, working directory, stdout and stderr already in place, makes its session and becomes the program.
//! The pid stays the same all the way.
//!
//! It becomes the program only when it is told so, by a byte on its stdin, which Tealgate sends when the process is recorded.
//! If Tealgate ends before, it ends as well: a program that nobody would find again never runs.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Exit status for a program that could not be started, as in a shell.
pub const EXIT_NOT_STARTED: u8 = 127;

/// Why the program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no program to start.
    #[error("launch: no program was named")]
    NoProgram,
    /// It is a session leader already, or a group leader.
    #[error("launch: cannot make a session for {program}")]
    Session {
        /// The program.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Whoever started this process ended before it said the word.
    #[error("launch: {program} was not started: nobody said that it is recorded")]
    NotTold {
        /// The program.
        program: String,
        /// Why nothing was heard.
        #[source]
        source: io::Error,
    },
    /// The system refused to run it.
    #[error("launch: cannot run {program}")]
    Exec {
        /// The program.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Makes a session, waits for a byte on stdin, and becomes the program `argv[0]` with the arguments `argv[1..]`, whose
/// stdin is empty. Returns only if that is not possible; the caller prints why (stderr is the instance's log) and exits with
/// [`EXIT_NOT_STARTED`].
#[must_use]
pub fn launch(argv: &[OsString]) -> LaunchError {
    let Some((program, arguments)) = argv.split_first() else { return LaunchError::NoProgram };
    let name = || program.to_string_lossy().into_owned();
    if let Err(error) = rustix::process::setsid() {
        return LaunchError::Session { program: name(), source: error.into() };
    }
    if let Err(source) = io::stdin().read_exact(&mut [0]) {
        return LaunchError::NotTold { program: name(), source };
    }
    // `exec` keeps this process's environment, which Tealgate has set to the instance's.
    let source = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
    LaunchError::Exec { program: name(), source }
}
