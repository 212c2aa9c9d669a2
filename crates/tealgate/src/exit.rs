//! The exit codes of the command line; scripts rely on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Done; of a release: promoted, or rehearsed.
    Done,
    /// The release was rolled back, or the rehearsal failed.
    RolledBack,
    /// The command line or the configuration file is wrong.
    Usage,
    /// The server refused what was asked.
    Refused,
    /// The release was aborted or superseded.
    Aborted,
    /// The release waits for something, or the time that was given is over; it goes on without this command.
    Waiting,
    /// The server cannot be reached, or something went wrong inside.
    Internal,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::RolledBack => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Aborted => 4,
            Exit::Waiting => 5,
            Exit::Internal => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
