//! What gates and sources send outward: programs that they run, headers of requests that they make.

use super::Errors;
use super::policy::is_token;
use super::target::{secret_reference, variable};
use crate::field::push_segment;
use crate::target::EnvValue;
use std::collections::BTreeMap;

/// A program with its variables and its directory. A value is never part of an error.
pub(super) fn program(
    errors: &mut Errors,
    at: &str,
    command: &[String],
    env: &BTreeMap<String, EnvValue>,
    working_dir: Option<&str>,
) {
    errors.command(&format!("{at}/command"), command);
    for (name, value) in env {
        let mut at = format!("{at}/env");
        push_segment(&mut at, name);
        variable(errors, &at, name, value);
    }
    if let Some(directory) = working_dir {
        let right = !directory.is_empty() && !directory.contains('\0');
        errors.expect(right, &format!("{at}/working_dir"), "must name a directory");
    }
}

/// A header whose value may be a secret; `at` is where it stands, with its name.
pub(super) fn header(errors: &mut Errors, at: &str, name: &str, value: &EnvValue) {
    match value {
        EnvValue::Text(text) => plain_header(errors, at, name, text),
        EnvValue::Reference(reference) => {
            header_name(errors, at, name);
            secret_reference(errors, at, reference);
        }
    }
}

/// A header in plain text.
pub(super) fn plain_header(errors: &mut Errors, at: &str, name: &str, value: &str) {
    header_name(errors, at, name);
    errors.expect(!value.contains(['\r', '\n', '\0']), at, "must not hold line breaks or NUL");
}

fn header_name(errors: &mut Errors, at: &str, name: &str) {
    errors.expect(is_token(name), at, "the name of a header must be a token (RFC 9110 §5.6.2)");
}
