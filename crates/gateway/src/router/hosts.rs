//! The outer level of the router: hosts.

use super::Entry;
use super::paths::Paths;
use super::trie::Trie;
use smallvec::SmallVec;

/// Routes by host and path. A clone shares all that does not change afterwards.
#[derive(Clone, Debug)]
pub struct Router<V> {
    /// Host patterns from their end: what a wildcard leaves open is then behind a prefix.
    hosts: Trie<Host<V>>,
    any: Paths<V>,
}

/// The routes of one pattern: the host is this, or ends with it.
#[derive(Clone, Debug)]
struct Host<V> {
    exact: Paths<V>,
    wildcard: Paths<V>,
}

/// A host from its end.
type Reversed = SmallVec<[u8; 64]>;

impl<V> Default for Router<V> {
    fn default() -> Self {
        Router { hosts: Trie::default(), any: Paths::default() }
    }
}

impl<V> Default for Host<V> {
    fn default() -> Self {
        Host { exact: Paths::default(), wildcard: Paths::default() }
    }
}

impl<V> Router<V> {
    /// The first route for `host` (lower case, without port) and `path` (normalised) that `accept` takes.
    pub fn find(&self, host: &str, path: &[u8], mut accept: impl FnMut(&V) -> bool) -> Option<&V> {
        let by_host = if self.hosts.is_empty() { None } else { self.find_host(host, path, &mut accept) };
        by_host.or_else(|| self.any.find(path, &mut accept))
    }

    fn find_host(&self, host: &str, path: &[u8], accept: &mut impl FnMut(&V) -> bool) -> Option<&V> {
        self.hosts.longest_first(&reversed(host), |length, patterns| {
            let exact = if length == host.len() { patterns.exact.find(path, accept) } else { None };
            exact.or_else(|| patterns.wildcard.find(path, accept))
        })
    }
}

impl<V: Clone> Router<V> {
    /// Adds a route at all its places.
    pub fn insert(&mut self, entry: &Entry, route: &V) {
        self.for_each_place(entry, |paths, uri| {
            paths.insert(uri, route.clone(), entry.order, entry.priority);
        });
    }

    /// Takes away the route that was inserted with this entry.
    pub fn remove(&mut self, entry: &Entry) {
        self.for_each_place(entry, |paths, uri| paths.remove(uri, entry.order));
    }

    fn for_each_place(&mut self, entry: &Entry, mut change: impl FnMut(&mut Paths<V>, &str)) {
        for uri in &entry.uris {
            if entry.hosts.is_empty() {
                change(&mut self.any, uri);
            }
            for pattern in &entry.hosts {
                let (wildcard, name) =
                    pattern.strip_prefix('*').map_or((false, &**pattern), |end| (true, end));
                self.hosts.change(&reversed(&name.to_ascii_lowercase()), |slot| {
                    let host = slot.get_or_insert_default();
                    change(if wildcard { &mut host.wildcard } else { &mut host.exact }, uri);
                    if host.exact.is_empty() && host.wildcard.is_empty() {
                        *slot = None;
                    }
                });
            }
        }
    }
}

fn reversed(host: &str) -> Reversed {
    let mut reversed = Reversed::from_slice(host.as_bytes());
    reversed.reverse();
    reversed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&[&str], &str, i64)]) -> Router<usize> {
        let mut router = Router::default();
        for (at, (hosts, uri, priority)) in routes.iter().enumerate() {
            let entry = Entry {
                order: at as u64,
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                uris: vec![(*uri).to_owned()],
                priority: *priority,
            };
            router.insert(&entry, &at);
        }
        router
    }

    fn find(router: &Router<usize>, host: &str, path: &str) -> Option<usize> {
        router.find(host, path.as_bytes(), |_| true).copied()
    }

    #[test]
    fn an_exact_host_beats_a_wildcard_and_a_longer_wildcard_a_shorter_one() {
        let router = router(&[
            (&["*.com"], "/*", 9),
            (&["*.foo.com"], "/*", 5),
            (&["a.foo.com"], "/*", 0),
            (&[], "/*", 99),
        ]);
        assert_eq!(find(&router, "a.foo.com", "/x"), Some(2));
        assert_eq!(find(&router, "b.a.foo.com", "/x"), Some(1));
        assert_eq!(find(&router, "bar.com", "/x"), Some(0));
        assert_eq!(find(&router, "foo.com", "/x"), Some(0));
        assert_eq!(find(&router, "org", "/x"), Some(3));
    }

    #[test]
    fn without_a_match_under_any_host_the_routes_without_host_are_asked() {
        let router = router(&[(&["a.com"], "/only", 0), (&[], "/*", 0)]);
        assert_eq!(find(&router, "a.com", "/only"), Some(0));
        assert_eq!(find(&router, "a.com", "/else"), Some(1));
    }

    #[test]
    fn a_star_that_is_no_label_matches_by_suffix() {
        let router = router(&[(&["*foo.com"], "/*", 0), (&["*"], "/*", 0)]);
        assert_eq!(find(&router, "xfoo.com", "/"), Some(0));
        assert_eq!(find(&router, "localhost", "/"), Some(1));
    }

    #[test]
    fn what_is_not_accepted_lets_the_walk_go_on() {
        let router = router(&[(&[], "/a/b", 0), (&[], "/a/*", 0), (&[], "/*", 0)]);
        let mut asked = Vec::new();
        let found = router.find("h", b"/a/b", |route| {
            asked.push(*route);
            *route == 2
        });
        assert_eq!((found, asked), (Some(&2), vec![0, 1, 2]));
    }
}
