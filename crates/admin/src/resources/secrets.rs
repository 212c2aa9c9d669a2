//! Private keys on their way in and out: opened for the checks, sealed for the store, left out of every answer.

use crate::pem;
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::resource::Kind;
use model::secret;
use serde_json::Value;
use store::secret::Keyring;

/// A value whose secrets are opened: what was sent is as it was sent, what was kept from the store is opened.
///
/// # Errors
/// When a kept one cannot be opened.
pub(crate) fn opened(state: &AdminState, kind: Kind, mut value: Value) -> Result<Value, Problem> {
    let open = &mut |text: &mut String| {
        if !Keyring::is_sealed(text) {
            return Ok(());
        }
        *text = state.keyring.open(text).map_err(|error| {
            let kind = kind.singular();
            Problem::Invalid(format!(
                "the private key of this {kind} cannot be opened, send it again: {error}"
            ))
        })?;
        Ok(())
    };
    secret::change(kind, &mut value, open).map(|()| value)
}

/// The same value as it is stored.
pub(crate) fn sealed(state: &AdminState, kind: Kind, mut value: Value) -> Value {
    let seal = &mut |text: &mut String| {
        *text = state.keyring.seal(text);
        Ok::<(), std::convert::Infallible>(())
    };
    match secret::change(kind, &mut value, seal) {
        Ok(()) => value,
    }
}

/// Checks certificates and opened keys.
///
/// # Errors
/// The first that is wrong.
pub(crate) fn check(kind: Kind, value: &Value) -> Result<(), Problem> {
    pem::check(kind, value).map_err(|error| Problem::Invalid(error.to_string()))
}

/// A value as it is shown.
pub(crate) fn shown(kind: Kind, value: &Value) -> Value {
    let mut value = value.clone();
    secret::redact(kind, &mut value);
    value
}
