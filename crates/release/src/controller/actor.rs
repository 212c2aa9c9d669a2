//! Who asks for something.

use model::policy::Role;

/// A key of the Admin API, by its name and role; each journal entry names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The key's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Actor {
    /// An actor.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role) -> Actor {
        Actor { name: name.into(), role }
    }

    /// What is missing for an act that needs `least`; `None`: nothing.
    pub(super) fn lacks(&self, least: Role) -> Option<String> {
        (self.role < least).then(|| {
            format!("key {} has the role {}, but {} is needed", self.name, word(self.role), word(least))
        })
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Approver => "approver",
        Role::Admin => "admin",
    }
}
