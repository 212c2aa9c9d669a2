//! The book: every release's journal, read, proven and added up, kept in step with the store.
//!
//! It is a cache and nothing else: a second controller has the same book, and dropping it loses nothing. A release
//! that has ended is kept without its entries. What was read is not read again: an entry costs the same however long its journal is.

mod page;
mod pages;

pub(crate) use page::{Page, Release};
pub use pages::AppendError;
pub(crate) use pages::Book;

/// The app that a release's id names: `shop` of `shop-12`. Needed only when its journal cannot be read.
#[must_use]
pub(crate) fn app_of(release: &str) -> &str {
    release.rsplit_once('-').map_or(release, |(app, _)| app)
}

#[cfg(test)]
mod tests;
