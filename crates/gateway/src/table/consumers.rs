//! The consumers, and the index by which a key finds its own: immutable, shared by all threads.

use crate::plugin::Plan;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use foldhash::HashMap;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A consumer with all that a request needs of it.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub(super) username: SmolStr,
    pub(super) custom_id: Option<SmolStr>,
    /// The same object for all whose plugins do nothing beyond saying who they are: who sends a request is then read from
    /// few places in memory.
    pub(super) plan: Arc<Plan>,
}

impl Consumer {
    /// Its name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Its name, to be kept.
    pub(crate) fn name(&self) -> &SmolStr {
        &self.username
    }

    /// Its label `custom_id`.
    #[must_use]
    pub fn custom_id(&self) -> Option<&str> {
        self.custom_id.as_deref()
    }

    /// The plugins that it brings along.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Who sends a request, and by which credential that is known.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'r> {
    /// Who.
    pub consumer: &'r Consumer,
    /// The id of the credential; `None`: the consumer's own plugins say it.
    pub credential: Option<&'r str>,
}

/// All consumers.
#[derive(Default)]
pub struct Consumers {
    by_name: HashMap<SmolStr, Consumer>,
    by_key: Vec<(&'static str, KeyIndex)>,
}

/// The bytes of a key; those of usual length without an allocation.
pub(super) type Key = SmallVec<[u8; 32]>;

/// One way in which a consumer is found.
pub(super) struct KeyEntry {
    /// The plugin.
    pub(super) plugin: &'static str,
    /// A secret, perhaps.
    pub(super) key: Key,
    /// The id of the credential.
    pub(super) credential: Option<SmolStr>,
}

/// Without the key.
impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyEntry").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// The keys of one plugin, by a hash that is made with a secret of this process.
#[derive(Default)]
struct KeyIndex {
    hasher: RandomState,
    entries: HashTable<Found>,
}

/// A key and whose it is, as a whole in one place: who sends a request is looked up among many, and each further place is
/// memory that has to be waited for.
#[repr(align(128))]
struct Found {
    key: Key,
    consumer: Consumer,
    credential: Option<SmolStr>,
}

const _: () = assert!(size_of::<Found>() == 128);

impl Consumers {
    /// Puts consumers and their keys together; a key comes with its owner and the consumer's name. Gives the owners
    /// and plugins of the keys that another consumer has already, or that have none.
    pub(super) fn new<'a, O>(
        consumers: impl Iterator<Item = Consumer>,
        keys: impl Iterator<Item = (O, &'a str, &'a KeyEntry)>,
    ) -> (Consumers, Vec<(O, &'static str)>) {
        let by_name = consumers.map(|consumer| (consumer.username.clone(), consumer)).collect();
        let mut all = Consumers { by_name, by_key: Vec::new() };
        let mut refused = Vec::new();
        for (owner, username, entry) in keys {
            if !all.add(username, entry) {
                refused.push((owner, entry.plugin));
            }
        }
        (all, refused)
    }

    fn add(&mut self, username: &str, entry: &KeyEntry) -> bool {
        let Some(consumer) = self.by_name.get(username).cloned() else { return false };
        if !self.by_key.iter().any(|(plugin, _)| *plugin == entry.plugin) {
            self.by_key.push((entry.plugin, KeyIndex::default()));
        }
        let index = self.by_key.iter_mut().find(|(plugin, _)| *plugin == entry.plugin);
        index.is_some_and(|(_, index)| index.add(consumer, entry))
    }

    /// The consumer of this name.
    #[must_use]
    pub fn named(&self, username: &str) -> Option<Identity<'_>> {
        self.by_name.get(username).map(|consumer| Identity { consumer, credential: None })
    }

    /// The consumer that has this key of a plugin. How long it takes says nothing about how much of a wrong key is
    /// right: keys are found by a hash that only this process can make, and compared in constant time.
    #[must_use]
    pub fn by_key(&self, plugin: &str, key: &[u8]) -> Option<Identity<'_>> {
        let (_, index) = self.by_key.iter().find(|(name, _)| *name == plugin)?;
        let found = index.find(key)?;
        Some(Identity { consumer: &found.consumer, credential: found.credential.as_deref() })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// The number of consumers alone: keys are secrets.
impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumers").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl KeyIndex {
    fn add(&mut self, consumer: Consumer, entry: &KeyEntry) -> bool {
        if self.find(&entry.key).is_some() {
            return false;
        }
        let found = Found { key: entry.key.clone(), consumer, credential: entry.credential.clone() };
        let hasher = &self.hasher;
        self.entries.insert_unique(hasher.hash_one(&*entry.key), found, |found| hasher.hash_one(&*found.key));
        true
    }

    fn find(&self, key: &[u8]) -> Option<&Found> {
        let is_it = |found: &Found| verify_slices_are_equal(&found.key, key).is_ok();
        self.entries.find(self.hasher.hash_one(key), is_it)
    }
}

#[cfg(test)]
mod tests;
