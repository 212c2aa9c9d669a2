//! The outer level of the router: hosts.

use super::Entry;
use super::paths::PathRouter;
use foldhash::HashMap;

/// Routes by host and path.
#[derive(Debug, Default)]
pub struct Router {
    exact: HashMap<Box<str>, PathRouter>,
    /// `*.example.com` under `.example.com`.
    dotted: HashMap<Box<str>, PathRouter>,
    /// Other wildcards (`*example.com`, `*`) by what follows the star, longest first.
    suffixes: Vec<(Box<str>, PathRouter)>,
    any: PathRouter,
}

impl Router {
    /// Builds the router. On the same path and priority the order of `entries` decides.
    #[must_use]
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Router {
        let mut router = Router::default();
        for entry in entries {
            for uri in &entry.uris {
                if entry.hosts.is_empty() {
                    router.any.insert(uri, entry);
                }
                for host in &entry.hosts {
                    router.paths_of(&host.to_ascii_lowercase()).insert(uri, entry);
                }
            }
        }
        router.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        router.exact.values_mut().for_each(PathRouter::finish);
        router.dotted.values_mut().for_each(PathRouter::finish);
        router.suffixes.iter_mut().for_each(|(_, paths)| paths.finish());
        router.any.finish();
        router
    }

    /// The first route for `host` (lower case, without port) and `path` (normalised) that `accept` takes.
    pub fn find(&self, host: &str, path: &[u8], mut accept: impl FnMut(u32) -> bool) -> Option<u32> {
        if let Some(found) = self.exact.get(host).and_then(|paths| paths.find(path, &mut accept)) {
            return Some(found);
        }
        if let Some(found) = self.find_wildcard(host, path, &mut accept) {
            return Some(found);
        }
        self.any.find(path, &mut accept)
    }

    fn find_wildcard(&self, host: &str, path: &[u8], accept: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        if self.dotted.is_empty() && self.suffixes.is_empty() {
            return None;
        }
        let mut others = self.suffixes.iter().filter(|(suffix, _)| host.ends_with(&**suffix)).peekable();
        // Both kinds in one order: the longer suffix first.
        for (dot, _) in host.match_indices('.') {
            let suffix = &host[dot..];
            while let Some((_, paths)) = others.next_if(|(other, _)| other.len() > suffix.len()) {
                if let Some(found) = paths.find(path, accept) {
                    return Some(found);
                }
            }
            if let Some(found) = self.dotted.get(suffix).and_then(|paths| paths.find(path, accept)) {
                return Some(found);
            }
        }
        others.find_map(|(_, paths)| paths.find(path, accept))
    }

    fn paths_of(&mut self, host: &str) -> &mut PathRouter {
        match host.strip_prefix('*') {
            None => self.exact.entry(host.into()).or_default(),
            Some(suffix) if suffix.starts_with('.') => self.dotted.entry(suffix.into()).or_default(),
            Some(suffix) => {
                let at = match self.suffixes.iter().position(|(other, _)| **other == *suffix) {
                    Some(at) => at,
                    None => {
                        self.suffixes.push((suffix.into(), PathRouter::default()));
                        self.suffixes.len() - 1
                    }
                };
                &mut self.suffixes[at].1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&[&str], &str, i64)]) -> Router {
        let entries: Vec<_> = routes
            .iter()
            .enumerate()
            .map(|(at, (hosts, uri, priority))| Entry {
                route: u32::try_from(at).expect("few"),
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                uris: vec![(*uri).to_owned()],
                priority: *priority,
            })
            .collect();
        Router::new(&entries)
    }

    fn find(router: &Router, host: &str, path: &str) -> Option<u32> {
        router.find(host, path.as_bytes(), |_| true)
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
            asked.push(route);
            route == 2
        });
        assert_eq!((found, asked), (Some(2), vec![0, 1, 2]));
    }
}
