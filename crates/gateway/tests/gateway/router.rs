//! The router finds what a naive reading of the rules finds (APISIX §3.1, §3.2).

use gateway::router::{Entry, Router};
use proptest::prelude::*;

/// How well a host pattern fits: the exact name best, then the longest suffix, then none.
fn host_rank(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix('*') {
        None => (pattern == host).then_some(usize::MAX),
        Some(suffix) => host.ends_with(suffix).then_some(suffix.len() + 1),
    }
}

/// Whether a pattern matches: a star is anything, also nothing.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((prefix, rest)) => path.strip_prefix(prefix).is_some_and(|after| {
            (0..=after.len()).any(|at| after.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

/// All routes that match, best first.
fn naive(entries: &[Entry], host: &str, path: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for (order, entry) in entries.iter().enumerate() {
        let ranks: Vec<usize> = match entry.hosts.is_empty() {
            true => vec![0],
            false => entry.hosts.iter().filter_map(|pattern| host_rank(pattern, host)).collect(),
        };
        for rank in ranks {
            for uri in entry.uris.iter().filter(|uri| matches(uri, path)) {
                let prefix = uri.split_once('*').map_or(usize::MAX, |(prefix, _)| prefix.len());
                let key = (rank, prefix, entry.priority, uri.len(), std::cmp::Reverse(order));
                found.push((key, entry.route));
            }
        }
    }
    found.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
    found.into_iter().map(|(_, route)| route).collect()
}

fn entry() -> impl Strategy<Value = (Vec<String>, Vec<String>, i64)> {
    let host = prop_oneof!["[ab]\\.[xy]", "\\*\\.[xy]", "\\*[ab]?\\.[xy]", "\\*"];
    let uri = "/[ab/]{0,4}(\\*(/[ab]{1,2}(/\\*)?)?)?";
    (prop::collection::btree_set(host, 0..3), prop::collection::btree_set(uri, 1..3), -1i64..2).prop_map(
        |(hosts, uris, priority)| (hosts.into_iter().collect(), uris.into_iter().collect(), priority),
    )
}

proptest! {
    #[test]
    fn every_candidate_is_offered_in_the_order_of_the_rules(
        routes in prop::collection::vec(entry(), 0..24),
        host in "[ab]{1,2}\\.[xy]",
        path in "/[ab/]{0,8}",
    ) {
        let entries: Vec<Entry> = (0u32..)
            .zip(routes)
            .map(|(route, (hosts, uris, priority))| Entry { route, hosts, uris, priority })
            .collect();
        let router = Router::new(&entries);
        let mut offered = Vec::new();
        let none = router.find(&host, path.as_bytes(), |route| {
            offered.push(route);
            false
        });
        prop_assert_eq!(none, None);
        let expected = naive(&entries, &host, &path);
        prop_assert_eq!(router.find(&host, path.as_bytes(), |_| true), expected.first().copied());
        prop_assert_eq!(offered, expected);
    }
}
