//! Random histories: every store answers every operation as the one in memory does, also when the operations come
//! through two doors of one directory.

use super::Subject;
use model::resource::{Kind, Origin};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use store::{Expect, JournalEntry, MemoryStore, SqliteStore, Store, Write};

#[derive(Clone, Debug)]
enum Operation {
    Commit { writes: Vec<Write>, fence: Option<u64> },
    Append { release: u8, seq: u64, fence: u64 },
    Acquire { holder: u8, ttl_ms: u64 },
    GiveBack { fence: u64 },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&Kind::ALL[..3])
}

fn id() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn expect() -> impl Strategy<Value = Expect> {
    // Few revisions, so that some of them are right.
    prop_oneof![
        5 => Just(Expect::Any),
        1 => Just(Expect::Absent),
        2 => (1_u64..6).prop_map(Expect::Modified),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let origin = prop::sample::select(vec![Origin::File, Origin::Api, Origin::Release]);
    let put = (kind(), prop::option::weighted(0.9, id()), "\\PC{0,8}", origin, expect()).prop_map(
        |(kind, id, text, origin, expect)| Write::Put { kind, id, value: json!({"v": text}), origin, expect },
    );
    let delete = (kind(), id(), expect()).prop_map(|(kind, id, expect)| Write::Delete { kind, id, expect });
    prop_oneof![2 => put, 1 => delete]
}

fn operation() -> impl Strategy<Value = Operation> {
    let commit = (prop::collection::vec(write(), 0..4), prop::option::weighted(0.2, 0_u64..4))
        .prop_map(|(writes, fence)| Operation::Commit { writes, fence });
    let append = (0_u8..2, 1_u64..4, 0_u64..4).prop_map(|(release, seq, fence)| Operation::Append {
        release,
        seq,
        fence,
    });
    let acquire = (0_u8..3, 0_u64..20).prop_map(|(holder, ttl_ms)| Operation::Acquire { holder, ttl_ms });
    let give_back = (0_u64..4).prop_map(|fence| Operation::GiveBack { fence });
    prop_oneof![6 => commit, 2 => append, 2 => acquire, 1 => give_back]
}

/// Performs one operation at a time that is its place in the history, and says all that can be seen of it.
async fn perform(store: &dyn Store, operation: Operation, now_ms: i64) -> String {
    match operation {
        Operation::Commit { writes, fence } => {
            format!("{:?}", store.commit(writes, fence.map(|fence| ("lease", fence))).await)
        }
        Operation::Append { release, seq, fence } => {
            let entry = JournalEntry { seq, body: now_ms.to_string() };
            format!("{:?}", store.append(&release.to_string(), "lease", fence, entry).await)
        }
        Operation::Acquire { holder, ttl_ms } => {
            format!("{:?}", store.acquire("lease", &holder.to_string(), ttl_ms, now_ms).await)
        }
        Operation::GiveBack { fence } => format!("{:?}", store.release_lease("lease", fence).await),
    }
}

/// All that can be seen of a store.
async fn everything(store: &dyn Store) -> String {
    let mut lists = Vec::new();
    for kind in Kind::ALL {
        lists.push(store.list(kind).await);
    }
    let journals = [store.journal("0").await, store.journal("1").await];
    let rest = (store.releases().await, store.lease("lease").await);
    format!("{:?} {lists:?} {journals:?} {rest:?}", store.snapshot().await)
}

async fn same_answers(history: Vec<(Operation, bool)>) -> Result<(), TestCaseError> {
    let memory = MemoryStore::new();
    let first = Subject::sqlite();
    let dir = first._dir.as_ref().map(|dir| dir.path().to_owned()).unwrap();
    let second: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir).unwrap());
    for (now_ms, (operation, by_second)) in (0..).zip(history) {
        let door = if by_second { &second } else { &first.store };
        let expected = perform(&memory, operation.clone(), now_ms).await;
        prop_assert_eq!(perform(door.as_ref(), operation, now_ms).await, expected);
    }
    let expected = everything(&memory).await;
    prop_assert_eq!(everything(first.store.as_ref()).await, expected.clone());
    prop_assert_eq!(everything(second.as_ref()).await, expected.clone());
    drop(second);
    let Subject { store, _dir } = first;
    drop(store);
    let reopened = SqliteStore::open(&dir).unwrap();
    prop_assert_eq!(everything(&reopened).await, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_history_has_the_same_answers_in_memory_through_two_doors_and_after_a_restart(
        history in prop::collection::vec((operation(), any::<bool>()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(same_answers(history))?;
    }
}
