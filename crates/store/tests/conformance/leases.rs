//! Leases: one holder, a fence that never goes back.

use super::put;
use serde_json::json;
use std::sync::Arc;
use store::{Expect, JournalEntry, Lease, Snapshot, Store, StoreError};

pub(super) async fn a_free_lease_is_taken_and_a_held_one_is_not(store: &Arc<dyn Store>) {
    assert_eq!(store.lease("l").await.unwrap(), None);
    let lease = store.acquire("l", "a", 100, 1_000).await.unwrap().unwrap();
    let expected = Lease { name: "l".to_owned(), holder: "a".to_owned(), fence: 1, expires_at_ms: 1_100 };
    assert_eq!(lease, expected);
    assert_eq!(store.acquire("l", "b", 100, 1_099).await.unwrap(), None);
    assert_eq!(store.lease("l").await.unwrap(), Some(expected));
}

pub(super) async fn renewing_keeps_the_fence(store: &Arc<dyn Store>) {
    store.acquire("l", "a", 100, 1_000).await.unwrap().unwrap();
    for now_ms in [1_050, 5_000] {
        let renewed = store.acquire("l", "a", 100, now_ms).await.unwrap().unwrap();
        assert_eq!((renewed.fence, renewed.expires_at_ms), (1, now_ms + 100));
    }
}

pub(super) async fn an_expired_lease_can_be_taken_and_the_former_holder_is_fenced_off(
    store: &Arc<dyn Store>,
) {
    let former = store.acquire("l", "a", 100, 1_000).await.unwrap().unwrap();
    // Nobody else took it yet: the clock alone takes nothing away.
    store.commit(Vec::new(), Some(("l", former.fence))).await.unwrap();
    let current = store.acquire("l", "b", 100, 1_100).await.unwrap().unwrap();
    assert_eq!(current.fence, former.fence + 1);
    let entry = JournalEntry { seq: 1, body: "{}".to_owned() };
    let refused = store.append("r", "l", former.fence, entry.clone()).await;
    assert!(matches!(refused, Err(StoreError::Fenced { fence: 1, current: 2, .. })), "{refused:?}");
    store.append("r", "l", current.fence, entry).await.unwrap();
}

pub(super) async fn a_lease_given_back_is_free_and_its_fence_is_void(store: &Arc<dyn Store>) {
    let first = store.acquire("l", "a", 100, 0).await.unwrap().unwrap();
    store.release_lease("l", first.fence).await.unwrap();
    assert_eq!(store.lease("l").await.unwrap(), None);
    let refused = store.commit(Vec::new(), Some(("l", first.fence))).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let again = store.acquire("l", "a", 100, 1).await.unwrap().unwrap();
    assert!(again.fence > first.fence);
    store.commit(Vec::new(), Some(("l", again.fence))).await.unwrap();
}

pub(super) async fn only_the_holder_gives_a_lease_back(store: &Arc<dyn Store>) {
    store.release_lease("l", 0).await.unwrap();
    let former = store.acquire("l", "a", 100, 0).await.unwrap().unwrap();
    let current = store.acquire("l", "b", 100, 100).await.unwrap().unwrap();
    for fence in [former.fence, current.fence + 1] {
        store.release_lease("l", fence).await.unwrap();
        assert_eq!(store.lease("l").await.unwrap().as_ref(), Some(&current));
    }
}

pub(super) async fn a_fenced_commit_of_a_former_holder_changes_nothing(store: &Arc<dyn Store>) {
    let former = store.acquire("l", "a", 1, 0).await.unwrap().unwrap();
    let current = store.acquire("l", "b", 1, 9).await.unwrap().unwrap();
    let write = || vec![put("r", json!({}), Expect::Any)];
    store.commit(write(), Some(("l", former.fence))).await.unwrap_err();
    assert_eq!(store.snapshot().await.unwrap(), Snapshot::default());
    assert_eq!(store.commit(write(), Some(("l", current.fence))).await.unwrap().revision, 1);
}

pub(super) async fn of_many_that_want_a_lease_one_gets_it(store: &Arc<dyn Store>) {
    let wishes: Vec<_> = (0..16)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.acquire("l", &format!("holder {n}"), 100, 0).await.unwrap() })
        })
        .collect();
    let mut granted = Vec::new();
    for wish in wishes {
        granted.extend(wish.await.unwrap());
    }
    assert_eq!(granted.len(), 1);
    assert_eq!(store.lease("l").await.unwrap().as_ref(), granted.first());
}

pub(super) async fn leases_do_not_know_each_other(store: &Arc<dyn Store>) {
    let one = store.acquire("one", "a", 100, 0).await.unwrap().unwrap();
    let two = store.acquire("two", "b", 100, 0).await.unwrap().unwrap();
    store.release_lease("one", one.fence).await.unwrap();
    assert_eq!(store.lease("two").await.unwrap(), Some(two));
}
