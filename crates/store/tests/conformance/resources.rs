//! Resources: conditions, batches, revisions, order.

use super::{delete, put};
use model::resource::{Kind, Origin};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Expect, Snapshot, Store, StoreError, Write};

pub(super) async fn an_empty_store_is_at_revision_zero(store: &Arc<dyn Store>) {
    assert_eq!(store.snapshot().await.unwrap(), Snapshot::default());
    assert_eq!(*store.watch().borrow(), 0);
    assert_eq!(store.get(Kind::Route, "r").await.unwrap(), None);
    assert_eq!(store.list(Kind::Route).await.unwrap(), []);
}

pub(super) async fn a_put_is_read_back_as_it_was_sent_with_its_id(store: &Arc<dyn Store>) {
    let sent =
        json!({"uri": "/ü/\u{0}\"'--", "z": 1, "a": [null, -7, 18_446_744_073_709_551_615_u64], "m": {}});
    let committed = store.commit(vec![put("r.1_-", sent.clone(), Expect::Absent)], None).await.unwrap();
    let read = store.get(Kind::Route, "r.1_-").await.unwrap().unwrap();
    assert_eq!(committed.resources, [Some(read.clone())]);
    let mut expected = sent;
    expected["id"] = json!("r.1_-");
    assert_eq!(read.value.to_string(), expected.to_string(), "the order of fields stays");
    assert_eq!((read.kind, read.id.as_str(), read.origin), (Kind::Route, "r.1_-", Origin::Api));
    assert_eq!((read.created, read.modified), (1, 1));

    let renamed = put("other", read.value.as_ref().clone(), Expect::Any);
    let other = store.commit(vec![renamed], None).await.unwrap();
    assert_eq!(other.resources[0].as_ref().unwrap().value["id"], "other");
}

pub(super) async fn created_stays_over_updates_and_modified_moves(store: &Arc<dyn Store>) {
    store.commit(vec![put("r", json!({}), Expect::Any)], None).await.unwrap();
    store.commit(vec![put("x", json!({}), Expect::Any)], None).await.unwrap();
    store.commit(vec![put("r", json!({"n": 2}), Expect::Any)], None).await.unwrap();
    let read = store.get(Kind::Route, "r").await.unwrap().unwrap();
    assert_eq!((read.created, read.modified), (1, 3));
    store.commit(vec![delete("r", Expect::Any)], None).await.unwrap();
    store.commit(vec![put("r", json!({}), Expect::Any)], None).await.unwrap();
    let again = store.get(Kind::Route, "r").await.unwrap().unwrap();
    assert_eq!((again.created, again.modified), (5, 5), "after a delete it is another resource");
}

pub(super) async fn a_put_that_changes_nothing_still_takes_a_revision(store: &Arc<dyn Store>) {
    store.commit(vec![put("r", json!({"n": 1}), Expect::Any)], None).await.unwrap();
    let again = store.commit(vec![put("r", json!({"n": 1}), Expect::Any)], None).await.unwrap();
    assert_eq!(again.revision, 2);
    assert_eq!(store.get(Kind::Route, "r").await.unwrap().unwrap().modified, 2);
}

fn post(kind: Kind) -> Write {
    Write::Put { kind, id: None, value: json!({}), origin: Origin::Api, expect: Expect::Any }
}

pub(super) async fn a_missing_id_is_made_of_the_revision(store: &Arc<dyn Store>) {
    store.commit(vec![put("r", json!({}), Expect::Any)], None).await.unwrap();
    let made = store.commit(vec![post(Kind::Route), post(Kind::Service)], None).await.unwrap();
    let ids: Vec<_> = made.resources.iter().flatten().map(|resource| resource.id.as_str()).collect();
    assert_eq!(ids, ["00000000000000000002", "00000000000000000002"]);
    let read = store.get(Kind::Service, "00000000000000000002").await.unwrap().unwrap();
    assert_eq!(read.value.as_ref(), &json!({"id": "00000000000000000002"}));
}

pub(super) async fn two_made_ids_of_one_kind_in_a_batch_are_a_conflict(store: &Arc<dyn Store>) {
    let refused = store.commit(vec![post(Kind::Route), post(Kind::Route)], None).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert_eq!(store.snapshot().await.unwrap(), Snapshot::default());
}

pub(super) async fn a_write_happens_only_under_its_condition(store: &Arc<dyn Store>) {
    let revision = store.commit(vec![put("r", json!({}), Expect::Absent)], None).await.unwrap().revision;
    for (write, found) in [
        (put("r", json!({}), Expect::Absent), Some(revision)),
        (put("r", json!({}), Expect::Modified(revision + 1)), Some(revision)),
        (put("new", json!({}), Expect::Modified(revision)), None),
        (delete("r", Expect::Modified(0)), Some(revision)),
        (delete("r", Expect::Absent), Some(revision)),
    ] {
        let refused = store.commit(vec![write.clone()], None).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { collection: "routes", found: is, .. }) if is == found),
            "{write:?}: {refused:?}"
        );
    }
    assert_eq!(store.snapshot().await.unwrap().revision, revision);
    store.commit(vec![put("r", json!({}), Expect::Modified(revision))], None).await.unwrap();
    store.commit(vec![delete("r", Expect::Modified(revision + 1))], None).await.unwrap();
    assert_eq!(store.get(Kind::Route, "r").await.unwrap(), None);
}

pub(super) async fn deleting_what_is_absent_is_a_conflict_unless_anything_goes(store: &Arc<dyn Store>) {
    for expect in [Expect::Absent, Expect::Modified(1)] {
        let refused = store.commit(vec![delete("r", expect)], None).await;
        assert!(matches!(refused, Err(StoreError::Conflict { found: None, .. })));
    }
    let done = store.commit(vec![delete("r", Expect::Any)], None).await.unwrap();
    assert_eq!(done.resources, [None]);
}

pub(super) async fn a_batch_is_all_or_nothing(store: &Arc<dyn Store>) {
    store.commit(vec![put("a", json!({"n": 0}), Expect::Any)], None).await.unwrap();
    let before = store.snapshot().await.unwrap();
    let batch = vec![
        put("a", json!({"n": 1}), Expect::Any),
        put("b", json!({}), Expect::Absent),
        delete("a", Expect::Any),
        put("missing", json!({}), Expect::Modified(1)),
    ];
    let refused = store.commit(batch, None).await;
    assert!(matches!(refused, Err(StoreError::Conflict { id, found: None, .. }) if id == "missing"));
    assert_eq!(store.snapshot().await.unwrap(), before);
}

pub(super) async fn a_batch_has_one_revision_and_its_writes_see_each_other(store: &Arc<dyn Store>) {
    store.commit(vec![put("old", json!({}), Expect::Any)], None).await.unwrap();
    let batch = vec![
        put("a", json!({"n": 1}), Expect::Absent),
        put("a", json!({"n": 2}), Expect::Modified(2)),
        delete("old", Expect::Modified(1)),
        put("old", json!({"new": true}), Expect::Absent),
        put("gone", json!({}), Expect::Absent),
        delete("gone", Expect::Modified(2)),
    ];
    let committed = store.commit(batch, None).await.unwrap();
    assert_eq!(committed.revision, 2);
    let values: Vec<_> =
        committed.resources.iter().map(|resource| resource.as_ref().map(|is| is.value.to_string())).collect();
    let texts = [
        Some(r#"{"n":1,"id":"a"}"#),
        Some(r#"{"n":2,"id":"a"}"#),
        None,
        Some(r#"{"new":true,"id":"old"}"#),
        Some(r#"{"id":"gone"}"#),
        None,
    ];
    assert_eq!(values, texts.map(|text| text.map(str::to_owned)));
    let snapshot = store.snapshot().await.unwrap();
    let left: Vec<_> =
        snapshot.resources.iter().map(|is| (is.id.as_str(), is.created, is.modified)).collect();
    assert_eq!((snapshot.revision, left), (2, vec![("a", 2, 2), ("old", 2, 2)]));
}

pub(super) async fn an_empty_batch_writes_nothing(store: &Arc<dyn Store>) {
    store.commit(vec![put("r", json!({}), Expect::Any)], None).await.unwrap();
    let committed = store.commit(Vec::new(), None).await.unwrap();
    assert_eq!((committed.revision, committed.resources.len()), (1, 0));
    let refused = store.commit(Vec::new(), Some(("lease", 1))).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "its fence is checked all the same");
}

pub(super) async fn lists_are_sorted_by_age_also_after_updates(store: &Arc<dyn Store>) {
    let batch = ["m", "z", "a"].map(|id| put(id, json!({}), Expect::Any));
    store.commit(batch.to_vec(), None).await.unwrap();
    store.commit(vec![put("b", json!({}), Expect::Any)], None).await.unwrap();
    let again = vec![put("a", json!({}), Expect::Any), put("m", json!({}), Expect::Any)];
    store.commit(again, None).await.unwrap();
    let ids = store.list(Kind::Route).await.unwrap().iter().map(|is| is.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids, ["m", "z", "a", "b"]);
}

pub(super) async fn snapshots_are_sorted_by_kind_and_share_what_has_not_changed(store: &Arc<dyn Store>) {
    let kinds = Kind::ALL.into_iter().rev();
    let write = |kind| Write::Put {
        kind,
        id: Some("x".to_owned()),
        value: json!({}),
        origin: Origin::Release,
        expect: Expect::Any,
    };
    for kind in kinds {
        store.commit(vec![write(kind)], None).await.unwrap();
    }
    let before = store.snapshot().await.unwrap();
    assert_eq!(before.resources.iter().map(|is| is.kind).collect::<Vec<_>>(), Kind::ALL);
    store.commit(vec![write(Kind::Route)], None).await.unwrap();
    let after = store.snapshot().await.unwrap();
    let shared = before.resources.iter().zip(&after.resources).map(|(was, is)| Arc::ptr_eq(was, is));
    assert!(shared.zip(Kind::ALL).all(|(is_shared, kind)| is_shared == (kind != Kind::Route)));
}

pub(super) async fn the_same_id_of_two_kinds_is_two_resources(store: &Arc<dyn Store>) {
    let service = Write::Put {
        kind: Kind::Service,
        id: Some("x".to_owned()),
        value: json!({"name": "s"}),
        origin: Origin::File,
        expect: Expect::Absent,
    };
    store.commit(vec![put("x", json!({"name": "r"}), Expect::Absent), service], None).await.unwrap();
    store.commit(vec![delete("x", Expect::Any)], None).await.unwrap();
    assert_eq!(store.get(Kind::Route, "x").await.unwrap(), None);
    let service = store.get(Kind::Service, "x").await.unwrap().unwrap();
    assert_eq!((service.value["name"].as_str(), service.origin), (Some("s"), Origin::File));
}

/// Increments `n` of a route `times` times, each by compare-and-swap.
pub(super) async fn increment(store: Arc<dyn Store>, times: u64) {
    for _ in 0..times {
        loop {
            let current = store.get(Kind::Route, "counter").await.unwrap();
            let (n, expect) = current.map_or((0, Expect::Absent), |counter| {
                (counter.value["n"].as_u64().unwrap(), Expect::Modified(counter.modified))
            });
            match store.commit(vec![put("counter", json!({"n": n + 1}), expect)], None).await {
                Ok(_) => break,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

pub(super) async fn concurrent_increments_lose_no_update(store: &Arc<dyn Store>) {
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(increment(store.clone(), 8))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counter = store.get(Kind::Route, "counter").await.unwrap().unwrap();
    assert_eq!(counter.value["n"], Value::from(64));
    assert_eq!(counter.modified, 64, "one revision for each, none for the refused");
}
