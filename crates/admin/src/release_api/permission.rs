//! Who may do what in the release API: apps are an administrator's, the verbs of a release follow the app's policy.

use crate::keys::Actor;
use crate::release_api::refusal::Refusal;
use axum::http::StatusCode;
use model::policy::Role;

/// Refuses a key whose role is less than needed.
pub(crate) fn require(actor: &Actor, needed: Role, act: &str) -> Result<(), Refusal> {
    if actor.role >= needed {
        return Ok(());
    }
    let (has, needed) = (name(actor.role), name(needed));
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        format!("key {} has the role {has}; to {act} it needs the role {needed}", actor.name),
        "use a key with that role, or change the app's release.permissions",
    ))
}

/// As in the key file.
fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Approver => "approver",
        Role::Admin => "admin",
    }
}
