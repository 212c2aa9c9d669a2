//! Data to stdout, talk to stderr. A reader that went away (`| head`) is no failure.

use serde_json::Value;
use std::io::Write as _;

/// How this command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Data as JSON.
    pub json: bool,
}

impl Output {
    /// One line of JSON on stdout.
    pub fn data(self, value: &Value) {
        self.text(&format!("{value}\n"));
    }

    /// Text on stdout as it is.
    pub fn text(self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// A line for the person on stderr.
    pub fn talk(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
