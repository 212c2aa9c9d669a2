//! Consumers and credentials. Those that did not change are the same objects again; the index of keys is made anew when
//! any did, which is cheap: it copies references.

use super::changes::Changes;
use super::{Compiler, Problem};
use crate::plugin::{Plan, configured};
use crate::table::consumers::{Consumer, Consumers, Key, KeyEntry};
use foldhash::HashMap;
use model::consumer::{self, split_credential_id};
use model::plugin::PluginInfo;
use model::resource::{Kind, Resource};
use model::secret::{Opener, SecretText, Unsealed};
use smol_str::SmolStr;
use std::sync::Arc;

/// What is kept of consumers from one table to the next.
#[derive(Debug)]
pub(super) struct Kept {
    /// Opens the keys that are sealed.
    pub(super) opener: Arc<dyn Opener>,
    consumers: HashMap<String, Consumer>,
    /// Plans without steps, by the names of the plugins that they are made of.
    idle_plans: HashMap<Box<[Box<str>]>, Arc<Plan>>,
    /// The keys of consumers and credentials.
    keys: HashMap<(Kind, String), Vec<KeyEntry>>,
    all: Arc<Consumers>,
    problems: Vec<Problem>,
}

impl Default for Kept {
    fn default() -> Self {
        Kept {
            opener: Arc::new(Unsealed),
            consumers: HashMap::default(),
            idle_plans: HashMap::default(),
            keys: HashMap::default(),
            all: Arc::default(),
            problems: Vec::new(),
        }
    }
}

impl Kept {
    /// What was wrong when the keys were put together.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// The plan, shared with others if it does nothing.
    fn shared(&mut self, plan: Plan) -> Arc<Plan> {
        if !plan.is_empty() {
            return Arc::new(plan);
        }
        let shared = self.idle_plans.entry(plan.configured().into());
        Arc::clone(shared.or_insert_with(|| Arc::new(plan)))
    }
}

impl Compiler {
    /// The consumers of a table.
    pub(super) fn compile_consumers(
        &mut self,
        changes: &Changes<'_>,
        resources: &[Arc<Resource>],
    ) -> Arc<Consumers> {
        let mut changed = false;
        for change in changes.of(Kind::Consumer).chain(changes.of(Kind::Credential)) {
            changed = true;
            let mut problems = Vec::new();
            let key = (change.kind, change.id.to_owned());
            match change.now {
                Some(resource) => {
                    if change.kind == Kind::Consumer {
                        problems = self.compile_consumer(resource);
                    }
                    let keys = self.keys(resource, &mut problems);
                    self.consumers.keys.insert(key, keys);
                }
                None => {
                    self.consumers.keys.remove(&key);
                    if change.kind == Kind::Consumer {
                        self.consumers.consumers.remove(change.id);
                    }
                }
            }
            self.report(change.kind, change.id, problems);
        }
        if changed {
            self.put_together(resources);
        }
        Arc::clone(&self.consumers.all)
    }

    /// Compiles what a consumer brings along; gives what of it cannot run.
    fn compile_consumer(&mut self, resource: &Resource) -> Vec<String> {
        let parsed = consumer::Consumer::from_value(&resource.value);
        let (configured, problems) = configured(self.kinds, resource, &parsed.plugins, &mut self.shared);
        let consumer = Consumer {
            username: resource.id.as_str().into(),
            custom_id: Some(SmolStr::from(parsed.custom_id.as_str()))
                .filter(|_| !parsed.custom_id.is_empty()),
            plan: self.consumers.shared(Plan::of_consumer(&configured)),
        };
        self.consumers.consumers.insert(resource.id.clone(), consumer);
        problems
    }

    /// The keys of a consumer or a credential, opened.
    fn keys(&self, resource: &Resource, problems: &mut Vec<String>) -> Vec<KeyEntry> {
        let credential: Option<SmolStr> = match resource.kind {
            Kind::Credential => Some(split_credential_id(&resource.id).1.into()),
            _ => None,
        };
        let known: Vec<PluginInfo> = self.kinds.iter().map(|kind| kind.info).collect();
        let entry = |(plugin, key): (&'static str, &str)| match self
            .consumers
            .opener
            .open(&SecretText(key.to_owned()))
        {
            Ok(key) => {
                let key = Key::from_slice(key.0.as_bytes());
                Some(KeyEntry { plugin, key, credential: credential.clone() })
            }
            Err(why) => {
                problems.push(format!("its {plugin} key cannot be opened and is not taken: {why}"));
                None
            }
        };
        consumer::keys(&resource.value, &known).filter_map(entry).collect()
    }

    /// Makes the index, in the order in which the resources were made: a key belongs to the first that has it.
    fn put_together(&mut self, resources: &[Arc<Resource>]) {
        self.consumers.idle_plans.retain(|_, plan| Arc::strong_count(plan) > 1);
        let Kept { consumers, keys, all, problems, .. } = &mut self.consumers;
        let owners =
            resources.iter().filter(|resource| matches!(resource.kind, Kind::Consumer | Kind::Credential));
        let entries = owners.flat_map(|resource| {
            let username = match resource.kind {
                Kind::Credential => split_credential_id(&resource.id).0,
                _ => resource.id.as_str(),
            };
            let entries = keys.get(&(resource.kind, resource.id.clone())).map_or(&[][..], Vec::as_slice);
            entries.iter().map(move |entry| (resource, username, entry))
        });
        let (together, refused) = Consumers::new(consumers.values().cloned(), entries);
        *all = Arc::new(together);
        let problem = |(resource, plugin): (&Arc<Resource>, &str)| Problem {
            kind: resource.kind,
            id: resource.id.clone(),
            what: format!(
                "its {plugin} key belongs to another consumer already, or it has no consumer; the key is not taken"
            ),
        };
        *problems = refused.into_iter().map(problem).collect();
    }
}
