//! The inner level of the router: the paths of one host.

use super::trie::Trie;

/// Routes by path.
#[derive(Clone, Debug)]
pub(super) struct Paths<V> {
    by_prefix: Trie<Here<V>>,
}

/// The routes that stand at one place: the path is this, or begins with it.
#[derive(Clone, Debug)]
struct Here<V> {
    exact: Vec<Candidate<V>>,
    prefix: Vec<Candidate<V>>,
}

/// A route that may match, with what orders it among those of the same path.
#[derive(Clone, Debug)]
pub(super) struct Candidate<V> {
    pub(super) route: V,
    pub(super) order: u64,
    pub(super) priority: i64,
    /// Length of the whole pattern.
    length: usize,
    /// What must follow the prefix when the `*` is not at the end of the pattern.
    rest: Option<Box<[u8]>>,
}

impl<V> Default for Paths<V> {
    fn default() -> Self {
        Paths { by_prefix: Trie::default() }
    }
}

impl<V> Default for Here<V> {
    fn default() -> Self {
        Here { exact: Vec::new(), prefix: Vec::new() }
    }
}

impl<V> Paths<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    pub(super) fn find<'a>(&'a self, path: &[u8], accept: &mut impl FnMut(&V) -> bool) -> Option<&'a V> {
        self.by_prefix.longest_first(path, |length, here| {
            let rest = &path[length..];
            let exact: &[_] = if rest.is_empty() { &here.exact } else { &[] };
            let fits = |candidate: &&Candidate<V>| {
                candidate.rest.as_deref().is_none_or(|pattern| glob(pattern, rest))
            };
            let candidates = exact.iter().chain(here.prefix.iter().filter(fits));
            candidates.map(|candidate| &candidate.route).find(|route| accept(route))
        })
    }
}

impl<V: Clone> Paths<V> {
    pub(super) fn insert(&mut self, uri: &str, route: V, order: u64, priority: i64) {
        let (prefix, rest) = uri.split_once('*').map_or((uri, None), |(prefix, rest)| (prefix, Some(rest)));
        let pattern = rest.filter(|rest| !rest.is_empty()).map(|rest| rest.as_bytes().into());
        let candidate = Candidate { route, order, priority, length: uri.len(), rest: pattern };
        self.by_prefix.change(prefix.as_bytes(), |here| {
            let here = here.get_or_insert_default();
            let list = if rest.is_some() { &mut here.prefix } else { &mut here.exact };
            let at = list.partition_point(|other| other.rank() <= candidate.rank());
            list.insert(at, candidate);
        });
    }

    /// Takes a route away from where one of its patterns stands.
    pub(super) fn remove(&mut self, uri: &str, order: u64) {
        let prefix = uri.split_once('*').map_or(uri, |(prefix, _)| prefix);
        self.by_prefix.change(prefix.as_bytes(), |slot| {
            let Some(here) = slot else { return };
            here.exact.retain(|candidate| candidate.order != order);
            here.prefix.retain(|candidate| candidate.order != order);
            if here.exact.is_empty() && here.prefix.is_empty() {
                *slot = None;
            }
        });
    }
}

impl<V> Candidate<V> {
    /// The order among the candidates of one list, best first.
    fn rank(&self) -> (std::cmp::Reverse<i64>, std::cmp::Reverse<usize>, u64) {
        (std::cmp::Reverse(self.priority), std::cmp::Reverse(self.length), self.order)
    }
}

/// Whether `text` is anything followed by what `rest` says, in which a further `*` again is anything. The leftmost place
/// of each literal leaves most to the next one, so one pass is enough.
fn glob(rest: &[u8], mut text: &[u8]) -> bool {
    let mut literals = rest.split(|byte| *byte == b'*').peekable();
    while let Some(literal) = literals.next() {
        if literals.peek().is_none() {
            return text.ends_with(literal);
        }
        if literal.is_empty() {
            continue;
        }
        let Some(at) = text.windows(literal.len()).position(|window| window == literal) else { return false };
        text = text.get(at + literal.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(uris: &[(&str, i64)]) -> Paths<usize> {
        let mut paths = Paths::default();
        for (at, (uri, priority)) in uris.iter().enumerate() {
            paths.insert(uri, at, at as u64, *priority);
        }
        paths
    }

    fn find(paths: &Paths<usize>, path: &str) -> Option<usize> {
        paths.find(path.as_bytes(), &mut |_| true).copied()
    }

    #[test]
    fn an_exact_path_beats_a_prefix_whatever_the_priority() {
        let paths = paths(&[("/foo/*", 100), ("/foo/bar", 0), ("/foo/bar*", 100)]);
        assert_eq!(find(&paths, "/foo/bar"), Some(1));
        assert_eq!(find(&paths, "/foo/bars"), Some(2));
        assert_eq!(find(&paths, "/foo/baz"), Some(0));
    }

    #[test]
    fn a_trailing_star_means_the_rest_also_an_empty_one() {
        let paths = paths(&[("/foo/*", 0), ("/bar*", 0)]);
        assert_eq!(find(&paths, "/foo/"), Some(0));
        assert_eq!(find(&paths, "/foo"), None);
        assert_eq!(find(&paths, "/bar"), Some(1));
        assert_eq!(find(&paths, "/barn/x"), Some(1));
    }

    #[test]
    fn the_longest_prefix_wins_and_then_the_priority() {
        let paths = paths(&[("/*", 0), ("/a/*", 0), ("/a/*", 7), ("/a/b*", 0)]);
        assert_eq!(find(&paths, "/a/bc"), Some(3));
        assert_eq!(find(&paths, "/a/c"), Some(2));
        assert_eq!(find(&paths, "/c"), Some(0));
    }

    #[test]
    fn a_star_in_the_middle_may_span_segments() {
        let paths = paths(&[("/a/*/c", 0), ("/x/*/y/*", 0)]);
        assert_eq!(find(&paths, "/a/b/c"), Some(0));
        assert_eq!(find(&paths, "/a/b/b/c"), Some(0));
        assert_eq!(find(&paths, "/a/b/d"), None);
        assert_eq!(find(&paths, "/x/1/2/y/3"), Some(1));
    }

    #[test]
    fn paths_are_compared_with_case() {
        let paths = paths(&[("/Foo", 0)]);
        assert_eq!(find(&paths, "/foo"), None);
    }

    #[test]
    fn what_was_removed_leaves_the_others_of_its_path() {
        let mut paths = paths(&[("/a/*", 5), ("/a/*", 0), ("/a/", 0)]);
        paths.remove("/a/*", 0);
        assert_eq!(find(&paths, "/a/b"), Some(1));
        paths.remove("/a/*", 1);
        assert_eq!((find(&paths, "/a/b"), find(&paths, "/a/")), (None, Some(2)));
        paths.remove("/a/", 2);
        assert!(paths.is_empty());
    }
}
