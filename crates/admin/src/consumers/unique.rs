//! No two consumers can be found by the same key: whose would a request be?

use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::consumer::{keys, split_credential_id};
use model::resource::Kind;
use serde_json::Value;

/// Checks that no key of a consumer or credential belongs to another one.
pub(crate) async fn must_be_unique(
    state: &AdminState,
    kind: Kind,
    id: &str,
    value: &Value,
) -> Result<(), Problem> {
    let wanted: Vec<_> = keys(value, state.plugins).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    for of in [Kind::Consumer, Kind::Credential] {
        for other in state.store.list(of).await? {
            let is_other = (other.kind, other.id.as_str()) != (kind, id);
            if is_other && keys(&other.value, state.plugins).any(|key| wanted.contains(&key)) {
                return Err(Problem::Invalid(format!(
                    "duplicate key found with consumer: {}",
                    owner(of, &other.id)
                )));
            }
        }
    }
    Ok(())
}

fn owner(kind: Kind, id: &str) -> &str {
    match kind {
        Kind::Credential => split_credential_id(id).0,
        _ => id,
    }
}
