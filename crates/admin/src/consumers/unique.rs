//! No two consumers can be found by the same key: whose would a request be?

use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::consumer::{keys, split_credential_id};
use model::resource::Kind;
use serde_json::Value;
use store::secret::Keyring;

/// Checks that no key of a consumer or credential, whose secrets are opened, belongs to another one.
pub(crate) async fn must_be_unique(
    state: &AdminState,
    kind: Kind,
    id: &str,
    value: &Value,
) -> Result<(), Problem> {
    let wanted: Vec<Wanted<'_>> = keys(value, state.plugins)
        .map(|(plugin, key)| Wanted { plugin, key, sealed: state.keyring.seal(key) })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    for of in [Kind::Consumer, Kind::Credential] {
        for other in state.store.list(of).await? {
            let is_other = (other.kind, other.id.as_str()) != (kind, id);
            let mut theirs = keys(&other.value, state.plugins);
            if is_other
                && theirs.any(|(plugin, key)| wanted.iter().any(|w| w.is(&state.keyring, plugin, key)))
            {
                let owner = owner(of, &other.id);
                return Err(Problem::Invalid(format!("duplicate key found with consumer: {owner}")));
            }
        }
    }
    Ok(())
}

/// A key that a resource is to have.
struct Wanted<'a> {
    plugin: &'static str,
    key: &'a str,
    /// The same as it would be stored.
    sealed: String,
}

impl Wanted<'_> {
    /// Whether it is this key of the store. Sealing a text gives the same result each time, so that most need not be
    /// opened: only one that was sealed with an older secret key.
    fn is(&self, keyring: &Keyring, plugin: &str, stored: &str) -> bool {
        let by_same_key = || sealed_by(stored) == sealed_by(&self.sealed);
        plugin == self.plugin
            && if !Keyring::is_sealed(stored) {
                stored == self.key
            } else if by_same_key() {
                stored == self.sealed
            } else {
                keyring.open(stored).is_ok_and(|opened| opened == self.key)
            }
    }
}

/// What a sealed text says of the key that it was sealed with: all before its last colon.
fn sealed_by(sealed: &str) -> Option<&str> {
    sealed.rsplit_once(':').map(|(by, _)| by)
}

fn owner(kind: Kind, id: &str) -> &str {
    match kind {
        Kind::Credential => split_credential_id(id).0,
        _ => id,
    }
}
