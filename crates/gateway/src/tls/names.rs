//! Which profile is for which name: the exact name first, then the wildcard that says most, then `*`.

use super::Profile;
use foldhash::HashMap;
use std::sync::Arc;

/// The profiles by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    exact: HashMap<Box<str>, Arc<Profile>>,
    /// By what follows the star.
    wildcards: HashMap<Box<str>, Arc<Profile>>,
    /// For clients that name no host, or one that nobody else is for.
    fallback: Option<Arc<Profile>>,
    /// Whether any of them asks clients for a certificate.
    asks_clients: bool,
}

/// A name that an older SSL resource has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Which name.
    pub(crate) name: String,
    /// The resource that has it.
    pub(crate) by: String,
}

impl Names {
    /// Adds a profile under all of its names, those excepted that are taken.
    pub(crate) fn add(&mut self, profile: &Arc<Profile>) -> Vec<Taken> {
        let mut taken = Vec::new();
        for name in &profile.ssl.snis {
            let (names, key) = match name.strip_prefix('*') {
                Some(rest) => (&mut self.wildcards, rest),
                None => (&mut self.exact, name.as_str()),
            };
            match names.get(key) {
                Some(older) => taken.push(Taken { name: name.clone(), by: older.ssl.id.clone() }),
                None => {
                    names.insert(key.into(), Arc::clone(profile));
                }
            }
        }
        self.asks_clients |= profile.client_auth.is_some();
        taken
    }

    /// Says which name stands for clients that name none, or one that is not known.
    pub(crate) fn set_fallback(&mut self, name: Option<&str>) {
        self.fallback = name.and_then(|name| self.find(name)).cloned();
    }

    /// The profile for a name, which is in lower case.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Profile>> {
        self.exact.get(name).or_else(|| self.find_wildcard(name))
    }

    /// The profile for what a client asks for.
    pub(crate) fn for_client(&self, name: Option<&str>) -> Option<&Arc<Profile>> {
        let found = match name {
            Some(name) if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                self.find(&name.to_ascii_lowercase())
            }
            Some(name) => self.find(name),
            None => None,
        };
        found.or(self.fallback.as_ref())
    }

    /// Whether any profile asks clients for a certificate.
    pub(crate) fn asks_clients(&self) -> bool {
        self.asks_clients
    }

    /// A star stands for at least one character, and for no dot.
    fn find_wildcard(&self, name: &str) -> Option<&Arc<Profile>> {
        if self.wildcards.is_empty() {
            return None;
        }
        let label = name.find('.').unwrap_or(name.len());
        let rests = (1..=label).filter_map(|at| name.get(at..)).filter(|rest| !rest.is_empty());
        rests.into_iter().find_map(|rest| self.wildcards.get(rest)).or_else(|| self.wildcards.get(""))
    }
}
