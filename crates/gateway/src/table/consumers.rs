//! The consumers, and the index by which a key finds its own: immutable, shared by all threads.

use crate::plugin::Plan;
use foldhash::HashMap;
use foldhash::quality::RandomState;
use smallvec::SmallVec;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A consumer with all that a request needs of it.
#[derive(Debug)]
pub struct Consumer {
    pub(super) username: Box<str>,
    pub(super) custom_id: Option<Box<str>>,
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
    by_name: HashMap<Box<str>, Arc<Consumer>>,
    by_key: Vec<(&'static str, KeyIndex)>,
}

/// One way in which a consumer is found.
pub(super) struct KeyEntry {
    /// The plugin.
    pub(super) plugin: &'static str,
    /// A secret, perhaps.
    pub(super) key: Arc<[u8]>,
    /// The id of the credential.
    pub(super) credential: Option<Arc<str>>,
}

/// Without the key.
impl std::fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyEntry").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// The keys of one plugin.
#[derive(Default)]
struct KeyIndex {
    hasher: RandomState,
    /// By the hash of the key, which is made with a secret of this process. Nearly always one, which then stands in the
    /// index itself: each place that is looked at in vain is memory that has to be waited for.
    entries: std::collections::HashMap<u64, SmallVec<[Found; 1]>, BuildHasherDefault<Hashed>>,
}

struct Found {
    key: Arc<[u8]>,
    consumer: Arc<Consumer>,
    credential: Option<Arc<str>>,
}

impl Consumers {
    /// Puts consumers and their keys together; a key comes with its owner and the consumer's name. Gives the owners
    /// and plugins of the keys that another consumer has already, or that have none.
    pub(super) fn new<'a, O>(
        consumers: impl Iterator<Item = Arc<Consumer>>,
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
    fn add(&mut self, consumer: Arc<Consumer>, entry: &KeyEntry) -> bool {
        if self.find(&entry.key).is_some() {
            return false;
        }
        let found = Found { key: Arc::clone(&entry.key), consumer, credential: entry.credential.clone() };
        self.entries.entry(self.hasher.hash_one(&*entry.key)).or_default().push(found);
        true
    }

    fn find(&self, key: &[u8]) -> Option<&Found> {
        let found = self.entries.get(&self.hasher.hash_one(key))?;
        found.iter().find(|found| bool::from(found.key.ct_eq(key)))
    }
}

/// Takes a hash as it is.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only whole hashes are put in.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;
