//! A radix trie over bytes that lists the values of all prefixes of a key, longest prefix first.
//!
//! It is persistent: a clone costs one count, and a change of a clone copies the nodes on the way to its key and shares
//! all others. So a table of a hundred thousand routes is changed in one of them for the price of one, while requests
//! go on reading the one before.

use smallvec::SmallVec;
use std::sync::Arc;

/// A map from keys to values.
#[derive(Clone, Debug)]
pub(crate) struct Trie<V> {
    root: Arc<Node<V>>,
}

#[derive(Clone, Debug)]
struct Node<V> {
    /// The bytes on the edge that leads here; empty only at the root.
    edge: Edge,
    /// First bytes of the children's edges, sorted, beside the children.
    children: Vec<(u8, Arc<Node<V>>)>,
    value: Option<V>,
}

/// Most edges are a few bytes long and stand in the node itself.
type Edge = SmallVec<[u8; 16]>;

/// Prefixes of one key that a walk remembers without allocating.
const COMMON_DEPTH: usize = 16;

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Trie { root: Arc::new(Node { edge: Edge::new(), children: Vec::new(), value: None }) }
    }
}

impl<V> Trie<V> {
    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.children.is_empty() && self.root.value.is_none()
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        let (mut node, mut rest) = (&self.root, key);
        while let Some(first) = rest.first() {
            node = node.child(*first)?;
            rest = rest.strip_prefix(node.edge.as_slice())?;
        }
        node.value.as_ref()
    }

    /// Calls `visit` with the length and the value of each prefix of the key that has one, the key itself included,
    /// longest first, until it gives something.
    pub(crate) fn longest_first<'a, T>(
        &'a self,
        key: &[u8],
        mut visit: impl FnMut(usize, &'a V) -> Option<T>,
    ) -> Option<T> {
        let mut path = SmallVec::<[(usize, &'a V); COMMON_DEPTH]>::new();
        let (mut node, mut length) = (&self.root, 0);
        loop {
            if let Some(value) = &node.value {
                path.push((length, value));
            }
            let rest = &key[length..];
            let Some(child) = rest.first().and_then(|first| node.child(*first)) else { break };
            let edge = child.edge.as_slice();
            // The first bytes are the same; that is all of most edges.
            if edge.len() > 1 && !rest.starts_with(edge) {
                break;
            }
            length += edge.len();
            node = child;
        }
        path.iter().rev().find_map(|(length, value)| visit(*length, value))
    }
}

impl<V: Clone> Trie<V> {
    /// Lets `change` change the value of a key; `None` is no value.
    pub(crate) fn change(&mut self, key: &[u8], change: impl FnOnce(&mut Option<V>)) {
        Node::change(&mut self.root, key, change);
    }
}

impl<V> Node<V> {
    fn child(&self, first: u8) -> Option<&Arc<Node<V>>> {
        let slot = self.slot(first).ok()?;
        self.children.get(slot).map(|(_, child)| child)
    }

    fn slot(&self, first: u8) -> Result<usize, usize> {
        self.children.binary_search_by_key(&first, |(byte, _)| *byte)
    }
}

impl<V: Clone> Node<V> {
    fn change(node: &mut Arc<Node<V>>, rest: &[u8], change: impl FnOnce(&mut Option<V>)) {
        let node = Arc::make_mut(node);
        let Some(first) = rest.first() else { return change(&mut node.value) };
        match node.slot(*first) {
            Ok(slot) => {
                let child = &mut node.children[slot].1;
                let shared = child.edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
                if shared < child.edge.len() {
                    Node::cut(child, shared);
                }
                Node::change(child, &rest[shared..], change);
                node.tidy(slot);
            }
            Err(slot) => {
                let mut value = None;
                change(&mut value);
                if value.is_some() {
                    let leaf = Node { edge: Edge::from_slice(rest), children: Vec::new(), value };
                    node.children.insert(slot, (*first, Arc::new(leaf)));
                }
            }
        }
    }

    /// Splits the edge into a node after `shared` bytes: a new node with the front part stands before it.
    fn cut(node: &mut Arc<Node<V>>, shared: usize) {
        let mut tail = Node::clone(node);
        let front = Edge::from_slice(&tail.edge[..shared]);
        tail.edge.drain(..shared);
        let children = vec![(tail.edge[0], Arc::new(tail))];
        *node = Arc::new(Node { edge: front, children, value: None });
    }

    /// Takes a child away that leads to nothing, and joins it with its only child if it says nothing itself: so the
    /// same keys make the same trie, however they came and whatever went.
    fn tidy(&mut self, slot: usize) {
        let child = &self.children[slot].1;
        match (&child.value, child.children.as_slice()) {
            (None, []) => {
                self.children.remove(slot);
            }
            (None, [(_, only)]) => {
                let mut joined = Node::clone(only);
                joined.edge.insert_from_slice(0, &child.edge);
                self.children[slot].1 = Arc::new(joined);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn trie(keys: &BTreeMap<String, u32>) -> Trie<u32> {
        let mut trie = Trie::default();
        keys.iter().for_each(|(key, value)| trie.change(key.as_bytes(), |slot| *slot = Some(*value)));
        trie
    }

    proptest! {
        #[test]
        fn all_prefixes_are_found_longest_first(
            keys in prop::collection::btree_map("[ab/]{0,6}", 0u32..9, 0..20),
            key in "[ab/]{0,8}",
        ) {
            let trie = trie(&keys);
            let mut found = Vec::new();
            trie.longest_first(key.as_bytes(), |length, value| -> Option<()> {
                found.push((length, *value));
                None
            });
            let prefixes = keys.iter().filter(|(prefix, _)| key.starts_with(prefix.as_str()));
            let mut expected: Vec<_> = prefixes.map(|(prefix, value)| (prefix.len(), *value)).collect();
            expected.reverse();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(trie.get(key.as_bytes()), keys.get(&key));
        }

        #[test]
        fn edits_lead_to_the_trie_that_would_be_built_of_what_is_left_and_leave_clones_alone(
            before in prop::collection::btree_map("[ab/]{0,6}", 0u32..9, 0..20),
            edits in prop::collection::vec(("[ab/]{0,6}", prop::option::of(0u32..9)), 0..40),
        ) {
            let mut changed = trie(&before);
            let kept = changed.clone();
            let mut after = before.clone();
            for (key, value) in edits {
                changed.change(key.as_bytes(), |slot| *slot = value);
                match value {
                    Some(value) => after.insert(key, value),
                    None => after.remove(&key),
                };
            }
            prop_assert_eq!(format!("{changed:?}"), format!("{:?}", trie(&after)));
            prop_assert_eq!(format!("{kept:?}"), format!("{:?}", trie(&before)));
        }
    }
}
