//! The command line as a script uses it: exit code, data on stdout, talk on stderr.

use super::gate::{Gate, tealgate};
use serde_json::Value;
use std::time::Duration;

/// How long a command may take; a release is many short steps.
const LIMIT: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The last line of stdout, which is JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code.
    pub(crate) fn exits(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self
    }
}

/// Runs `tealgate release ...` with `--json`, against this server and with its admin key.
pub(crate) async fn release(gate: &Gate, arguments: &[&str]) -> Ended {
    run(gate, &[&["--json", "release"], arguments].concat(), None).await
}

/// The same with another key.
pub(crate) async fn release_as(gate: &Gate, key: &str, arguments: &[&str]) -> Ended {
    run(gate, &[&["--json", "release"], arguments].concat(), Some(key)).await
}

/// Runs any command that takes `--data-dir`.
pub(crate) async fn run(gate: &Gate, arguments: &[&str], key: Option<&str>) -> Ended {
    let mut command = tealgate();
    command.args(arguments).arg("--data-dir").arg(gate.data_dir());
    if let Some(key) = key {
        command.env("TEALGATE_ADMIN_KEY", key);
    }
    let mut command = tokio::process::Command::from(command);
    let output = tokio::time::timeout(LIMIT, command.kill_on_drop(true).output()).await;
    let output =
        output.unwrap_or_else(|_| panic!("{arguments:?} took longer than {LIMIT:?}:\n{}", gate.log()));
    let output = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
