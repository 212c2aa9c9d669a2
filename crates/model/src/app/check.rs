//! What an app must satisfy beyond its types: all errors at once, each with its field.

mod beside;
mod load;
mod metric;
mod notifications;
mod outward;
mod policy;
mod shadow;
mod target;

#[cfg(test)]
mod tests;

pub use load::check_load_mix;

use super::App;
use crate::check::is_id;
use crate::field::FieldError;
use crate::target::Target;
use crate::target::placeholders;

/// The longest duration that a setting may have: 30 days, milliseconds.
pub const MAX_DURATION_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// The longest id of an app: the ids of its two upstreams end in `-green` and have 64 characters at most.
const MAX_ID_LENGTH: usize = 64 - "-green".len();
/// The longest argument that the kernel passes to a program, bytes (`MAX_ARG_STRLEN`).
const MAX_ARGUMENT_LENGTH: usize = 131_071;
/// More arguments or variables than any command has.
const MAX_ARGUMENTS: usize = 1_024;

/// Errors being collected.
#[derive(Default)]
struct Errors {
    list: Vec<FieldError>,
}

impl Errors {
    fn add(&mut self, pointer: impl Into<String>, text: impl Into<String>) {
        self.list.push(FieldError { pointer: pointer.into(), text: text.into() });
    }

    /// Adds an error unless `right` holds.
    fn expect(&mut self, right: bool, pointer: &str, text: &str) {
        if !right {
            self.add(pointer, text);
        }
    }

    fn duration(&mut self, pointer: &str, ms: u64) {
        self.expect(ms <= MAX_DURATION_MS, pointer, "must be at most 30 days (2592000000)");
    }

    /// A duration that would mean "without pause" or "never" if it were 0.
    fn positive_duration(&mut self, pointer: &str, ms: u64) {
        self.expect(ms > 0, pointer, "must be at least 1 millisecond");
        self.duration(pointer, ms);
    }

    /// A program and its arguments, as `execve` takes them.
    fn command(&mut self, pointer: &str, command: &[String]) {
        let program = command.first().map_or("", String::as_str);
        self.expect(!program.is_empty(), pointer, "must name a program");
        self.expect(command.len() <= MAX_ARGUMENTS, pointer, "must have at most 1024 arguments");
        for (index, argument) in command.iter().enumerate() {
            self.argument(&format!("{pointer}/{index}"), argument);
        }
    }

    fn argument(&mut self, pointer: &str, text: &str) {
        self.expect(!text.contains('\0'), pointer, "must not hold a NUL character");
        self.expect(text.len() <= MAX_ARGUMENT_LENGTH, pointer, "must be at most 131071 bytes long");
    }

    fn placeholders(&mut self, pointer: &str, text: &str) {
        if let Err(error) = placeholders::check(text) {
            self.add(pointer, error.to_string());
        }
    }

    fn path(&mut self, pointer: &str, path: &str) {
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        self.expect(
            path.starts_with('/') && plain,
            pointer,
            "must begin with / and hold no blanks or control characters",
        );
        self.expect(path.len() <= 8_192, pointer, "must be at most 8192 bytes long");
    }

    fn statuses(&mut self, pointer: &str, statuses: &[u16]) {
        for (index, status) in statuses.iter().enumerate() {
            let right = (100..=599).contains(status);
            self.expect(right, &format!("{pointer}/{index}"), "must be an HTTP status, 100 to 599");
        }
    }
}

impl App {
    /// Everything that is wrong with the app; empty when it is right.
    #[must_use]
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let id = is_id(&self.id) && self.id.len() <= MAX_ID_LENGTH;
        errors.expect(id, "/id", "must be 1 to 58 characters of a-z, A-Z, 0-9, -, _ and .");
        let service = is_id(&self.service_id);
        errors.expect(service, "/service_id", "must be 1 to 64 characters of a-z, A-Z, 0-9, -, _ and .");
        match &self.target {
            Target::Process(process) => target::check_process(&mut errors, "/target/process", process),
            Target::Upstream(upstream) => target::check_upstream(&mut errors, "/target/upstream", upstream),
        }
        policy::check(&mut errors, "/release", &self.release, &self.target);
        errors.list
    }
}
