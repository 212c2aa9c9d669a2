//! Watches: told after the fact, about the right thing, without losing the newest news.

use super::put;
use serde_json::json;
use std::sync::Arc;
use store::{Expect, JournalEntry, Report, Store};

pub(super) async fn a_watch_is_level_triggered(store: &Arc<dyn Store>) {
    let mut watch = store.watch();
    for n in 1..=3 {
        store.commit(vec![put("r", json!({"n": n}), Expect::Any)], None).await.unwrap();
    }
    watch.changed().await.unwrap();
    assert_eq!(*watch.borrow_and_update(), 3, "three changes are one piece of news");
    assert!(!watch.has_changed().unwrap());
    assert_eq!(*store.watch().borrow(), 3, "a late watch knows where it stands");
}

pub(super) async fn a_refused_write_is_not_told(store: &Arc<dyn Store>) {
    let watch = store.watch();
    store.commit(vec![put("r", json!({}), Expect::Modified(9))], None).await.unwrap_err();
    store.commit(Vec::new(), None).await.unwrap();
    assert!(!watch.has_changed().unwrap());
}

pub(super) async fn a_watch_of_one_thing_is_silent_about_the_others(store: &Arc<dyn Store>) {
    let (mut revisions, mut journals, mut reports) =
        (store.watch(), store.watch_journals(), store.watch_reports());
    let mut changed = || {
        let changed = [&revisions, &journals, &reports].map(|watch| watch.has_changed().unwrap());
        revisions.mark_unchanged();
        journals.mark_unchanged();
        reports.mark_unchanged();
        changed
    };
    store.commit(vec![put("r", json!({}), Expect::Any)], None).await.unwrap();
    assert_eq!(changed(), [true, false, false]);
    let lease = store.acquire("l", "me", 1_000, 0).await.unwrap().unwrap();
    assert_eq!(changed(), [false, false, false]);
    let entry = JournalEntry { seq: 1, body: "{}".to_owned() };
    store.append("1", "l", lease.fence, entry).await.unwrap();
    assert_eq!(changed(), [false, true, false]);
    let report = Report {
        instance: "i".to_owned(),
        role: "all".to_owned(),
        applied: None,
        at_ms: 0,
        detail: json!({}),
    };
    store.report(report).await.unwrap();
    assert_eq!(changed(), [false, false, true]);
    store.forget("i").await.unwrap();
    assert_eq!(changed(), [false, false, true]);
}

pub(super) async fn what_a_watch_has_told_can_be_read(store: &Arc<dyn Store>) {
    let mut watch = store.watch();
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for n in 1..=50 {
            writer.commit(vec![put("r", json!({"n": n}), Expect::Any)], None).await.unwrap();
        }
    });
    let mut told = 0;
    while told < 50 {
        watch.changed().await.unwrap();
        let now = *watch.borrow_and_update();
        assert!(now > told, "revisions only grow");
        told = now;
        let snapshot = store.snapshot().await.unwrap();
        assert!(snapshot.revision >= told);
        assert_eq!(snapshot.resources[0].value["n"], snapshot.revision, "a snapshot is of one revision");
    }
    writing.await.unwrap();
}

pub(super) async fn a_watch_ends_with_its_store(_: &Arc<dyn Store>) {
    // The subject is borrowed here, so this takes stores of its own.
    for store in [super::Subject::memory(), super::Subject::sqlite()] {
        let mut watch = store.store.watch();
        drop(store);
        assert!(watch.changed().await.is_err());
    }
}
