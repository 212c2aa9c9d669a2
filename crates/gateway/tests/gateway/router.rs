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
fn naive(entries: &[Entry], host: &str, path: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for entry in entries {
        let ranks: Vec<usize> = match entry.hosts.is_empty() {
            true => vec![0],
            false => entry.hosts.iter().filter_map(|pattern| host_rank(pattern, host)).collect(),
        };
        for rank in ranks {
            for uri in entry.uris.iter().filter(|uri| matches(uri, path)) {
                let prefix = uri.split_once('*').map_or(usize::MAX, |(prefix, _)| prefix.len());
                let key = (rank, prefix, entry.priority, uri.len(), std::cmp::Reverse(entry.order));
                found.push((key, entry.order));
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

/// Asks the router for all routes that match, in the order in which it offers them.
fn offered(router: &Router<u64>, host: &str, path: &str) -> Vec<u64> {
    let mut offered = Vec::new();
    let none = router.find(host, path.as_bytes(), |route| {
        offered.push(*route);
        false
    });
    assert_eq!(none, None);
    offered
}

proptest! {
    #[test]
    fn every_candidate_is_offered_in_the_order_of_the_rules_whatever_came_and_went(
        routes in prop::collection::vec((entry(), any::<bool>()), 0..24),
        host in "[ab]{1,2}\\.[xy]",
        path in "/[ab/]{0,8}",
    ) {
        let (mut router, mut stay, mut go) = (Router::default(), Vec::new(), Vec::new());
        for (order, ((hosts, uris, priority), stays)) in (0u64..).zip(routes) {
            let entry = Entry { order, hosts, uris, priority };
            router.insert(&entry, &order);
            if stays { &mut stay } else { &mut go }.push(entry);
        }
        let all = [stay.clone(), go.clone()].concat();
        prop_assert_eq!(offered(&router, &host, &path), naive(&all, &host, &path));
        let before = router.clone();
        go.iter().for_each(|entry| router.remove(entry));
        let left = naive(&stay, &host, &path);
        prop_assert_eq!(router.find(&host, path.as_bytes(), |_| true), left.first());
        prop_assert_eq!(offered(&router, &host, &path), left);
        prop_assert_eq!(offered(&before, &host, &path), naive(&all, &host, &path), "a clone is left alone");
    }
}
