use super::*;
use crate::failpoint::Failpoints;
use crate::journal::{Event, Head, seal};
use crate::lease::{LEASE, Tenure, hold};
use std::sync::Arc;
use store::{JournalEntry, MemoryStore, Store};

fn request() -> Event {
    Event::Requested(Box::new(crate::example::request("2")))
}

fn gateway(instance: &str) -> Event {
    Event::Gateway { instance: instance.to_owned(), alive: false }
}

async fn opened() -> (Arc<dyn Store>, Book, u64) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let Tenure::Held { fence, .. } = hold(&store, "test", 60_000).await.unwrap() else { panic!("free") };
    let book = Book::new(Arc::clone(&store), Failpoints::default());
    assert!(book.open("shop-1", fence, "ann", &request()).await.unwrap());
    (store, book, fence)
}

fn whole(book: &Book) -> Arc<Release> {
    let Some(Page::Whole(release)) = book.get("shop-1") else { panic!("{:?}", book.get("shop-1")) };
    release
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let (_, book, fence) = opened().await;
    assert!(!book.open("shop-1", fence, "bob", &request()).await.unwrap());
    assert_eq!(whole(&book).folded.requested_by, "ann");
}

#[tokio::test]
async fn an_entry_that_depends_on_the_past_is_refused_when_the_past_has_changed() {
    let (store, book, fence) = opened().await;
    let seen = whole(&book);
    let other = Book::new(Arc::clone(&store), Failpoints::default());
    other.refresh().await.unwrap();
    other.append("shop-1", fence, "bob", &gateway("a")).await.unwrap();
    let refused = book.append_at(&seen, fence, "ann", &gateway("b")).await;
    assert!(matches!(refused, Err(AppendError::Stale { .. })), "{refused:?}");
    assert!(whole(&book).folded.gaps.contains("a"), "it has read on");
    book.append("shop-1", fence, "ann", &gateway("c")).await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(Vec::from_iter(whole(&other).folded.gaps.clone()), ["a", "c"]);
}

#[tokio::test]
async fn what_is_read_step_by_step_is_what_is_read_at_once() {
    let (store, book, fence) = opened().await;
    for instance in ["a", "b", "c"] {
        book.append("shop-1", fence, "ann", &gateway(instance)).await.unwrap();
    }
    let fresh = Book::new(store, Failpoints::default());
    fresh.refresh().await.unwrap();
    assert_eq!(whole(&fresh).folded, whole(&book).folded);
    assert_eq!(whole(&fresh).head, whole(&book).head);
    assert_eq!(book.events().since(0).len(), 4, "each entry is told once");
}

#[tokio::test]
async fn after_a_torn_entry_the_book_says_so_and_goes_on() {
    let (store, _, fence) = opened().await;
    let torn = JournalEntry { seq: 2, body: "{\"format\":1,\"se".to_owned() };
    store.append("shop-1", LEASE, fence, torn).await.unwrap();
    let book = Book::new(Arc::clone(&store), Failpoints::default());
    book.refresh().await.unwrap();
    assert_eq!(whole(&book).torn, Some(2));
    book.append("shop-1", fence, "ann", &gateway("a")).await.unwrap();
    book.append("shop-1", fence, "ann", &gateway("b")).await.unwrap();
    let fresh = Book::new(store, Failpoints::default());
    fresh.refresh().await.unwrap();
    let release = whole(&fresh);
    assert_eq!((release.head.seq, release.torn, release.folded.gaps.len()), (5, None, 2));
}

#[tokio::test]
async fn a_torn_first_entry_is_no_release_and_harms_nobody() {
    let (store, _, fence) = opened().await;
    let (entry, _) = seal(&Head::default(), 0, "ann", &request()).unwrap();
    let torn = JournalEntry { seq: 1, body: entry.body[..40].to_owned() };
    store.append("shop-2", LEASE, fence, torn).await.unwrap();
    let book = Book::new(store, Failpoints::default());
    book.refresh().await.unwrap();
    assert_eq!(book.damage("shop"), None);
    assert_eq!(book.whole_of_app("shop").len(), 1);
}

#[test]
fn the_app_is_the_id_without_its_number() {
    assert_eq!((app_of("shop-12"), app_of("my-shop-1"), app_of("shop")), ("shop", "my-shop", "shop"));
}
