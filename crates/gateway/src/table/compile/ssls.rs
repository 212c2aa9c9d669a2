//! SSL resources and the names that they are for.

use super::{Changes, Compiler};
use crate::tls::{Names, Profile};
use model::resource::{Kind, Resource};
use model::secret::Opener;
use model::ssl::{Ssl, Usage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long the certificates of an SSL resource are valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its id.
    pub ssl: String,
    /// The end of the first of them, seconds since the Unix epoch.
    pub not_after_s: i64,
}

/// What is kept of the SSL resources between two tables.
#[derive(Debug)]
pub(super) struct Ssls {
    opener: Arc<dyn Opener>,
    fallback: Option<String>,
    /// Those that are for clients, by id.
    profiles: BTreeMap<String, Arc<Profile>>,
    names: Arc<Names>,
}

impl Ssls {
    /// None yet. `fallback` is the name that stands for clients that name none.
    pub(super) fn new(opener: Arc<dyn Opener>, fallback: Option<String>) -> Ssls {
        Ssls { opener, fallback, profiles: BTreeMap::new(), names: Arc::default() }
    }

    /// The profiles by name.
    pub(super) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// How long each is valid.
    fn validity(&self) -> Vec<Certificate> {
        let profiles = self.profiles.values();
        profiles
            .map(|profile| Certificate { ssl: profile.ssl.id.clone(), not_after_s: profile.not_after_s })
            .collect()
    }

    /// What was compiled, or not used for clients.
    fn compile(&mut self, id: &str, resource: Option<&Resource>) -> Result<(), String> {
        let before = self.profiles.remove(id);
        let Some(resource) = resource else { return Ok(()) };
        let ssl = Ssl::from_value(&resource.value);
        if !ssl.enabled || ssl.usage == Usage::Client {
            return Ok(());
        }
        let profile = match before {
            // A label or a description: sessions go on.
            Some(before) if before.ssl == ssl => before,
            before => {
                let made = Profile::new(ssl, &*self.opener, before.as_deref());
                Arc::new(made.map_err(|error| format!("{error}; its names are not served"))?)
            }
        };
        self.profiles.insert(id.to_owned(), profile);
        Ok(())
    }
}

impl Compiler {
    /// The certificates that are shown to clients.
    #[must_use]
    pub fn certificates(&self) -> Vec<Certificate> {
        self.ssls.validity()
    }

    /// Those that changed; and the names anew, if any did.
    pub(super) fn compile_ssls(&mut self, changes: &Changes<'_>, resources: &[Arc<Resource>]) {
        let mut changed = false;
        for change in changes.of(Kind::Ssl) {
            changed = true;
            let problem = self.ssls.compile(change.id, change.now.map(|resource| &**resource)).err();
            self.report(Kind::Ssl, change.id, problem.into_iter().collect());
        }
        if !changed {
            return;
        }
        let mut names = Names::default();
        // In the store's order: of two for one name, the older one has it.
        for resource in resources.iter().filter(|resource| resource.kind == Kind::Ssl) {
            let Some(profile) = self.ssls.profiles.get(&resource.id) else { continue };
            let taken = names.add(profile).into_iter();
            let taken = taken.map(|taken| format!("{} is served by the older ssl {}", taken.name, taken.by));
            self.report(Kind::Ssl, &resource.id, taken.collect());
        }
        names.set_fallback(self.ssls.fallback.as_deref());
        self.ssls.names = Arc::new(names);
    }
}
