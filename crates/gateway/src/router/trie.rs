//! A radix trie over bytes that lists the values of all prefixes of a key, longest prefix first.

use smallvec::SmallVec;

/// Prefixes with a list of values each.
#[derive(Debug)]
pub(super) struct Trie<V> {
    nodes: Vec<Node<V>>,
}

#[derive(Debug)]
struct Node<V> {
    /// The bytes on the edge that leads here.
    edge: Box<[u8]>,
    /// First bytes of the children's edges, sorted, beside the children's places.
    children: Vec<(u8, u32)>,
    values: Vec<V>,
}

/// Prefixes of one key that a walk remembers without allocating.
const COMMON_DEPTH: usize = 16;

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Trie { nodes: vec![Node { edge: Box::default(), children: Vec::new(), values: Vec::new() }] }
    }
}

impl<V> Trie<V> {
    /// Adds a value under a prefix.
    pub(super) fn insert(&mut self, prefix: &[u8], value: V) {
        let (mut at, mut rest) = (0, prefix);
        while let Some(first) = rest.first() {
            let slot = self.nodes[at].children.binary_search_by_key(first, |(byte, _)| *byte);
            let child = match slot {
                Ok(slot) => self.nodes[at].children[slot].1 as usize,
                Err(slot) => {
                    let leaf = self.push(rest, Vec::new());
                    self.nodes[at].children.insert(slot, (*first, leaf));
                    self.nodes[leaf as usize].values.push(value);
                    return;
                }
            };
            let shared = self.nodes[child].edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if shared < self.nodes[child].edge.len() {
                self.cut(child, shared);
            }
            (at, rest) = (child, &rest[shared..]);
        }
        self.nodes[at].values.push(value);
    }

    /// Calls `visit` with the length of the prefix and each value, longest prefix first, until it gives something.
    pub(super) fn longest_first<T>(
        &self,
        key: &[u8],
        mut visit: impl FnMut(usize, &V) -> Option<T>,
    ) -> Option<T> {
        let mut path = SmallVec::<[(u32, usize); COMMON_DEPTH]>::new();
        let (mut at, mut length) = (0, 0);
        loop {
            let node = &self.nodes[at];
            if !node.values.is_empty() {
                #[allow(clippy::cast_possible_truncation, reason = "an index that was pushed as u32")]
                let step = (at as u32, length);
                path.push(step);
            }
            let Some(first) = key.get(length) else { break };
            let Ok(slot) = node.children.binary_search_by_key(first, |(byte, _)| *byte) else { break };
            at = node.children[slot].1 as usize;
            if !key[length..].starts_with(&self.nodes[at].edge) {
                break;
            }
            length += self.nodes[at].edge.len();
        }
        path.into_iter().rev().find_map(|(at, length)| {
            self.nodes[at as usize].values.iter().find_map(|value| visit(length, value))
        })
    }

    /// Visits the list of each prefix, for sorting.
    pub(super) fn for_each_list(&mut self, mut visit: impl FnMut(&mut Vec<V>)) {
        self.nodes.iter_mut().for_each(|node| visit(&mut node.values));
    }

    /// Splits the edge into `child` after `shared` bytes; `child` keeps the front part.
    fn cut(&mut self, child: usize, shared: usize) {
        let edge = std::mem::take(&mut self.nodes[child].edge);
        let (front, back) = edge.split_at(shared);
        let values = std::mem::take(&mut self.nodes[child].values);
        let children = std::mem::take(&mut self.nodes[child].children);
        let tail = self.push(back, children);
        self.nodes[tail as usize].values = values;
        let node = &mut self.nodes[child];
        node.edge = front.into();
        node.children = back.first().map(|first| vec![(*first, tail)]).unwrap_or_default();
    }

    fn push(&mut self, edge: &[u8], children: Vec<(u8, u32)>) -> u32 {
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node { edge: edge.into(), children, values: Vec::new() });
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_prefixes_are_found_longest_first(prefixes in prop::collection::vec("[ab/]{0,6}", 0..20), key in "[ab/]{0,8}") {
            let mut trie = Trie::default();
            for prefix in &prefixes {
                trie.insert(prefix.as_bytes(), prefix.clone());
            }
            let mut found = Vec::new();
            trie.longest_first(key.as_bytes(), |length, value: &String| -> Option<()> {
                assert_eq!(length, value.len());
                found.push(value.clone());
                None
            });
            let mut expected: Vec<_> = prefixes.into_iter().filter(|prefix| key.starts_with(prefix.as_str())).collect();
            expected.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            prop_assert_eq!(found, expected);
        }
    }
}
