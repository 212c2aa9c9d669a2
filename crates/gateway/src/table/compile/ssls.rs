//! SSL resources and the names that they are for.

use super::{Changes, Compiler};
use crate::tls::{Names, Profile};
use crate::upstream::client_certificate::{self, ClientCertificates, Shown};
use crate::upstream::tls::Connectors;
use foldhash::HashMap;
use model::resource::{Kind, Resource};
use model::secret::Opener;
use model::ssl::{Pair, Ssl, Usage};
use model::upstream::Upstream;
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
    /// How TLS is spoken with upstreams that ask for nothing.
    plain: Connectors,
    /// Those that are for upstreams, and what was made of them.
    clients: Arc<ClientCertificates>,
    pairs: HashMap<String, Pair>,
    /// Certificates that stand in upstreams: one of a kind is made ready once.
    own: HashMap<Pair, Connectors>,
}

impl Ssls {
    /// None yet. `fallback` is the name that stands for clients that name none.
    pub(super) fn new(opener: Arc<dyn Opener>, fallback: Option<String>, plain: Connectors) -> Ssls {
        Ssls {
            opener,
            fallback,
            plain,
            profiles: BTreeMap::new(),
            names: Arc::default(),
            clients: Arc::default(),
            pairs: HashMap::default(),
            own: HashMap::default(),
        }
    }

    /// The certificates for upstreams, by id.
    pub(super) fn clients(&self) -> &Arc<ClientCertificates> {
        &self.clients
    }

    /// What an upstream shows to its nodes, and why it cannot be shown.
    pub(super) fn shown(&mut self, upstream: &Upstream) -> (Shown, Option<String>) {
        let Some(pair) = upstream.client_cert.as_ref().filter(|_| upstream.scheme.is_tls()) else {
            return (Shown::of(upstream, None), None);
        };
        if let Some(made) = self.own.get(pair) {
            return (Shown::Own(made.clone()), None);
        }
        let made = client_certificate::connectors(pair, &*self.opener, &self.plain);
        if let Ok(made) = &made {
            // What no upstream uses any more is let go of.
            self.own.retain(|_, made| made.is_used());
            self.own.insert(pair.clone(), made.clone());
        }
        let fault = made.as_ref().err().map(|error| format!("{error}; connections to it fail"));
        (Shown::of(upstream, Some(made)), fault)
    }

    /// How TLS is spoken with the nodes of a target, as far as its certificate can be shown.
    pub(super) fn connectors(&self, shown: &Shown) -> Connectors {
        shown.connectors(&self.plain, &self.clients).unwrap_or_else(|_| self.plain.clone())
    }

    fn compile_client(&mut self, id: &str, ssl: Option<&Ssl>) -> Result<(), String> {
        let wanted =
            ssl.filter(|ssl| ssl.enabled && ssl.usage == Usage::Client).and_then(|ssl| ssl.pairs.first());
        if wanted == self.pairs.get(id) {
            return Ok(());
        }
        self.pairs.remove(id);
        let mut clients = ClientCertificates::clone(&self.clients);
        clients.remove(id);
        let made = wanted.map(|pair| client_certificate::connectors(pair, &*self.opener, &self.plain));
        let result = match (wanted, made) {
            (Some(pair), Some(Ok(made))) => {
                self.pairs.insert(id.to_owned(), pair.clone());
                clients.insert(id.to_owned(), made);
                Ok(())
            }
            (_, Some(Err(error))) => Err(format!("{error}; connections to upstreams that name it fail")),
            _ => Ok(()),
        };
        self.clients = Arc::new(clients);
        result
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
        let ssl = resource.map(|resource| Ssl::from_value(&resource.value));
        self.compile_client(id, ssl.as_ref())?;
        let Some(ssl) = ssl else { return Ok(()) };
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
