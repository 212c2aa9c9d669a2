//! The inner level of the router: the paths of one host.

use super::Entry;
use super::trie::Trie;
use foldhash::HashMap;

/// Routes by path.
#[derive(Debug, Default)]
pub(super) struct PathRouter {
    exact: HashMap<Box<[u8]>, Vec<Candidate>>,
    prefixes: Trie<Candidate>,
}

/// A route that may match, with what orders it among those of the same path.
#[derive(Debug)]
struct Candidate {
    route: u32,
    priority: i64,
    /// Length of the whole pattern.
    length: usize,
    /// What must follow the prefix when the `*` is not at the end of the pattern.
    rest: Option<Box<[u8]>>,
}

impl PathRouter {
    pub(super) fn insert(&mut self, uri: &str, entry: &Entry) {
        let candidate = |rest: Option<&str>| Candidate {
            route: entry.route,
            priority: entry.priority,
            length: uri.len(),
            rest: rest.map(|rest| rest.as_bytes().into()),
        };
        match uri.split_once('*') {
            None => self.exact.entry(uri.as_bytes().into()).or_default().push(candidate(None)),
            Some((prefix, "")) => self.prefixes.insert(prefix.as_bytes(), candidate(None)),
            Some((prefix, rest)) => self.prefixes.insert(prefix.as_bytes(), candidate(Some(rest))),
        }
    }

    /// Sorts the candidates of each path; stable, so that insertion order decides at last.
    pub(super) fn finish(&mut self) {
        let order = |candidate: &Candidate| {
            (std::cmp::Reverse(candidate.priority), std::cmp::Reverse(candidate.length))
        };
        self.exact.values_mut().for_each(|candidates| candidates.sort_by_key(order));
        self.prefixes.for_each_list(|candidates| candidates.sort_by_key(order));
    }

    pub(super) fn find(&self, path: &[u8], accept: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        let exact = self.exact.get(path).into_iter().flatten();
        if let Some(found) = exact.map(|candidate| candidate.route).find(|route| accept(*route)) {
            return Some(found);
        }
        self.prefixes.longest_first(path, |length, candidate| {
            let fits = candidate.rest.as_deref().is_none_or(|rest| glob(rest, &path[length..]));
            (fits && accept(candidate.route)).then_some(candidate.route)
        })
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

    fn router(uris: &[(&str, i64)]) -> PathRouter {
        let mut router = PathRouter::default();
        for (at, (uri, priority)) in uris.iter().enumerate() {
            let route = u32::try_from(at).expect("few");
            router.insert(uri, &Entry { route, hosts: vec![], uris: vec![], priority: *priority });
        }
        router.finish();
        router
    }

    fn find(router: &PathRouter, path: &str) -> Option<u32> {
        router.find(path.as_bytes(), &mut |_| true)
    }

    #[test]
    fn an_exact_path_beats_a_prefix_whatever_the_priority() {
        let router = router(&[("/foo/*", 100), ("/foo/bar", 0)]);
        assert_eq!(find(&router, "/foo/bar"), Some(1));
        assert_eq!(find(&router, "/foo/baz"), Some(0));
    }

    #[test]
    fn a_trailing_star_means_the_rest_also_an_empty_one() {
        let router = router(&[("/foo/*", 0), ("/bar*", 0)]);
        assert_eq!(find(&router, "/foo/"), Some(0));
        assert_eq!(find(&router, "/foo"), None);
        assert_eq!(find(&router, "/bar"), Some(1));
        assert_eq!(find(&router, "/barn/x"), Some(1));
    }

    #[test]
    fn the_longest_prefix_wins_and_then_the_priority() {
        let router = router(&[("/*", 0), ("/a/*", 0), ("/a/*", 7), ("/a/b*", 0)]);
        assert_eq!(find(&router, "/a/bc"), Some(3));
        assert_eq!(find(&router, "/a/c"), Some(2));
        assert_eq!(find(&router, "/c"), Some(0));
    }

    #[test]
    fn a_star_in_the_middle_may_span_segments() {
        let router = router(&[("/a/*/c", 0), ("/x/*/y/*", 0)]);
        assert_eq!(find(&router, "/a/b/c"), Some(0));
        assert_eq!(find(&router, "/a/b/b/c"), Some(0));
        assert_eq!(find(&router, "/a/b/d"), None);
        assert_eq!(find(&router, "/x/1/2/y/3"), Some(1));
    }

    #[test]
    fn paths_are_compared_with_case() {
        let router = router(&[("/Foo", 0)]);
        assert_eq!(find(&router, "/foo"), None);
    }
}
