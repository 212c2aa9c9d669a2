//! Secrets on their way in and out: opened for the checks, sealed for the store. Private keys are left out of every
//! answer; the keys of consumers are shown, as APISIX does.

use crate::pem;
use crate::resources::view::Shown;
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::consumer;
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
            let secret =
                if kind == Kind::Consumer || kind == Kind::Credential { "key" } else { "private key" };
            let kind = kind.singular();
            Problem::Invalid(format!("the {secret} of this {kind} cannot be opened, send it again: {error}"))
        })?;
        Ok(())
    };
    change(state, kind, &mut value, open).map(|()| value)
}

/// The same value as it is stored.
pub(crate) fn sealed(state: &AdminState, kind: Kind, mut value: Value) -> Value {
    let seal = &mut |text: &mut String| {
        *text = state.keyring.seal(text);
        Ok::<(), std::convert::Infallible>(())
    };
    match change(state, kind, &mut value, seal) {
        Ok(()) => value,
    }
}

/// Every secret of a resource: private keys, and the keys of consumers.
fn change<E>(
    state: &AdminState,
    kind: Kind,
    value: &mut Value,
    change: &mut impl FnMut(&mut String) -> Result<(), E>,
) -> Result<(), E> {
    match kind {
        Kind::Consumer | Kind::Credential => consumer::change_secrets(value, state.plugins, change),
        _ => secret::change(kind, value, change),
    }
}

/// Opens the keys of a consumer or a credential, which are shown as they were sent, as APISIX does; what cannot be
/// opened is shown sealed.
pub(crate) fn open_shown(state: &AdminState, shown: &mut Shown) {
    if matches!(shown.kind, Kind::Consumer | Kind::Credential) {
        let open = &mut |text: &mut String| {
            if let Ok(opened) = state.keyring.open(text) {
                *text = opened;
            }
            Ok::<(), std::convert::Infallible>(())
        };
        match consumer::change_secrets(&mut shown.value, state.plugins, open) {
            Ok(()) => {}
        }
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
