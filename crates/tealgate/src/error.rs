//! The one place where a failure is told: what, because of what, and what to do.

use crate::exit::Exit;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What did not work, and where.
    pub error: anyhow::Error,
    /// What to do; may be empty.
    pub hint: String,
}

/// Result of a command.
pub type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// A failure with an exit code, a cause and an advice.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>, hint: impl Into<String>) -> Failure {
        Failure { exit, error: error.into(), hint: hint.into() }
    }

    /// The command line or the configuration is wrong.
    pub fn usage(what: impl std::fmt::Display, hint: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, anyhow::anyhow!("{what}"), hint)
    }

    /// Something went wrong that should not.
    pub fn internal(error: impl Into<anyhow::Error>) -> Failure {
        Failure::new(Exit::Internal, error, "")
    }

    /// For people: `error:`, the causes, the advice.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("error: {}", self.error);
        for cause in self.causes() {
            let _ = write!(text, "\n  because: {cause}");
        }
        if !self.hint.is_empty() {
            let _ = write!(text, "\n  {}", self.hint);
        }
        text
    }

    /// For programs (`--json`).
    #[must_use]
    pub fn json(&self) -> Value {
        let what = self.error.to_string();
        json!({"error": {"what": what, "because": self.causes(), "hint": self.hint, "exit": self.exit.code()}})
    }

    /// The causes from the outside in; one that only repeats the text before it is left out.
    fn causes(&self) -> Vec<String> {
        let mut before = self.error.to_string();
        let mut causes = Vec::new();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !before.contains(&cause) {
                causes.push(cause.clone());
            }
            before = cause;
        }
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let source = std::io::Error::other("the disk is full");
        let error = anyhow::Error::new(source).context("cannot write store.db");
        let failure = Failure::new(Exit::Internal, error, "free some space");
        assert_eq!(
            failure.text(),
            "error: cannot write store.db\n  because: the disk is full\n  free some space"
        );
        assert_eq!(failure.json()["error"]["exit"], 6);
    }
}
