//! What differs between two states of the resources.

use foldhash::HashMap;
use model::resource::{Kind, Resource};
use std::sync::Arc;

/// The resources that are not as they were before.
#[derive(Debug, Default)]
pub(super) struct Changes<'a>(Vec<Change<'a>>);

/// A resource that is new, changed or gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    /// `None`: it is gone.
    pub(super) now: Option<&'a Arc<Resource>>,
}

impl<'a> Changes<'a> {
    /// Compares two states, each in the store's order. What did not change is usually the same object at the same
    /// place, so that of a large state only the part between the first and the last difference is looked at.
    pub(super) fn between(before: &'a [Arc<Resource>], now: &'a [Arc<Resource>]) -> Changes<'a> {
        let same = |(a, b): &(&Arc<Resource>, &Arc<Resource>)| Arc::ptr_eq(a, b);
        let front = before.iter().zip(now).take_while(same).count();
        let (before, now) = (&before[front..], &now[front..]);
        let back = before.iter().rev().zip(now.iter().rev()).take_while(same).count();
        let (before, now) = (&before[..before.len() - back], &now[..now.len() - back]);
        let key = |resource: &'a Arc<Resource>| (resource.kind, resource.id.as_str());
        let mut old: HashMap<_, _> =
            before.iter().map(|resource| (key(resource), resource.modified)).collect();
        let mut changes = Vec::new();
        for resource in now {
            if old.remove(&key(resource)) != Some(resource.modified) {
                changes.push(Change { kind: resource.kind, id: &resource.id, now: Some(resource) });
            }
        }
        let gone = before.iter().filter(|resource| old.contains_key(&key(resource)));
        changes.extend(gone.map(|resource| Change { kind: resource.kind, id: &resource.id, now: None }));
        Changes(changes)
    }

    /// Those of one kind; what is there in the store's order.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = Change<'a>> {
        self.0.iter().copied().filter(move |change| change.kind == kind)
    }

    /// Whether anything that routes are built from has changed, apart from themselves.
    pub(super) fn concern_more_than_routes(&self) -> bool {
        let stands_alone = |kind| matches!(kind, Kind::Route | Kind::Consumer | Kind::Credential);
        self.0.iter().any(|change| !stands_alone(change.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::resource::Origin;

    fn route(id: &str, modified: u64) -> Arc<Resource> {
        let value = Arc::default();
        let (kind, origin, id) = (Kind::Route, Origin::Api, id.to_owned());
        Arc::new(Resource { kind, id, value, origin, created: 1, modified })
    }

    fn told(before: &[Arc<Resource>], now: &[Arc<Resource>]) -> Vec<(String, bool)> {
        let changes = Changes::between(before, now);
        changes.of(Kind::Route).map(|change| (change.id.to_owned(), change.now.is_some())).collect()
    }

    #[test]
    fn only_what_is_new_changed_or_gone_is_told() {
        let before = ["a", "b", "c", "d"].map(|id| route(id, 1));
        let [a, b, _, d] = before.clone();
        let now = [a, route("b", 1), route("c", 2), d, route("e", 2)];
        assert_eq!(told(&before, &now), [("c".to_owned(), true), ("e".to_owned(), true)]);
        assert_eq!(
            told(&before, &[b]),
            [("a", false), ("c", false), ("d", false)].map(|(id, is)| (id.to_owned(), is))
        );
        assert_eq!(told(&before, &before), []);
    }
}
