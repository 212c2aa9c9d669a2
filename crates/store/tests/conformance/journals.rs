//! Journals: order, heads, and who may write.

use std::sync::Arc;
use store::{JournalEntry, Store, StoreError};

fn entry(seq: u64, body: &str) -> JournalEntry {
    JournalEntry { seq, body: body.to_owned() }
}

async fn take(store: &Arc<dyn Store>) -> u64 {
    store.acquire("lease", "me", 1_000, 0).await.unwrap().unwrap().fence
}

pub(super) async fn entries_are_read_back_in_order_and_as_written(store: &Arc<dyn Store>) {
    let fence = take(store).await;
    assert_eq!(store.journal("r").await.unwrap(), []);
    let mut entries = Vec::new();
    for seq in 1..=12 {
        // Two blanks and a trailing newline: the text is hashed, so that not even they may change.
        let next = entry(seq, &format!("{{\"seq\":  {seq}, \"ü\": null}}\n"));
        store.append("r", "lease", fence, next.clone()).await.unwrap();
        entries.push(next);
    }
    assert_eq!(store.journal("r").await.unwrap(), entries);
    assert_eq!(*store.watch_journals().borrow(), 12);
    for seen in [0, 1, 11, 12, 13, u64::MAX] {
        let behind: Vec<_> = entries.iter().filter(|entry| entry.seq > seen).cloned().collect();
        assert_eq!(store.journal_after("r", seen).await.unwrap(), behind, "behind {seen}");
    }
    assert_eq!(store.journal_after("other", 0).await.unwrap(), []);
}

pub(super) async fn an_entry_out_of_turn_is_refused(store: &Arc<dyn Store>) {
    let fence = take(store).await;
    store.append("r", "lease", fence, entry(1, "one")).await.unwrap();
    for seq in [0, 1, 3, u64::MAX] {
        let refused = store.append("r", "lease", fence, entry(seq, "other")).await;
        assert!(
            matches!(&refused, Err(StoreError::JournalHead { release, expected, found: 2 })
                if release == "r" && *expected == seq),
            "{refused:?}"
        );
    }
    assert_eq!(store.journal("r").await.unwrap(), [entry(1, "one")]);
}

pub(super) async fn releases_are_listed_in_the_order_of_their_first_entries(store: &Arc<dyn Store>) {
    let fence = take(store).await;
    for (release, seq) in [("z", 1), ("a", 1), ("z", 2), ("m", 1), ("a", 2)] {
        store.append(release, "lease", fence, entry(seq, "{}")).await.unwrap();
    }
    assert_eq!(store.releases().await.unwrap(), ["z", "a", "m"]);
}

pub(super) async fn only_one_of_two_racing_appends_wins(store: &Arc<dyn Store>) {
    let fence = take(store).await;
    for seq in 1..=10 {
        let (left, right) = tokio::join!(
            store.append("r", "lease", fence, entry(seq, "left")),
            store.append("r", "lease", fence, entry(seq, "right")),
        );
        assert_eq!(u8::from(left.is_ok()) + u8::from(right.is_ok()), 1, "{left:?} {right:?}");
    }
    assert_eq!(store.journal("r").await.unwrap().len(), 10);
}

pub(super) async fn an_append_without_the_lease_is_refused(store: &Arc<dyn Store>) {
    let refused = store.append("r", "lease", 1, entry(1, "{}")).await;
    assert!(matches!(refused, Err(StoreError::Fenced { fence: 1, current: 0, .. })), "{refused:?}");
    let fence = take(store).await;
    let refused = store.append("r", "other", fence, entry(1, "{}")).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let refused = store.append("r", "lease", fence + 1, entry(7, "{}")).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "the fence is checked first: {refused:?}");
    assert_eq!(store.releases().await.unwrap(), Vec::<String>::new());
}
