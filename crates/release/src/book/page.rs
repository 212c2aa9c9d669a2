//! One release in the book.

use super::app_of;
use crate::journal::{Entry, Folded, Head, fold, read_on};
use std::sync::Arc;
use store::JournalEntry;

/// A release as its journal tells it.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// What it adds up to.
    pub(crate) folded: Folded,
    /// Where its journal goes on.
    pub(crate) head: Head,
    /// Its last entry was cut off, and the next one must say so.
    pub(crate) torn: Option<u64>,
}

/// A release, or why nothing is known of it.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    /// Its journal is whole.
    Whole(Arc<Release>),
    /// Its first entry was cut off: nobody was told that it exists.
    Void {
        /// The app, by the release's id.
        app: String,
    },
    /// Its journal is damaged: releases of its app are refused until someone has looked.
    Damaged {
        /// The app, by the release's id.
        app: String,
        /// What is wrong.
        what: String,
    },
}

impl Page {
    /// Reads a journal on from what is `known` of it, by the entries behind that; or anew, by all entries, where nothing
    /// is known or the last entry was cut off. Answers the page and the entries that were read.
    pub(super) fn read(
        release: &str,
        known: Option<&Release>,
        entries: &[JournalEntry],
    ) -> (Page, Vec<Entry>) {
        let head = known.map(|known| known.head.clone()).unwrap_or_default();
        let app = app_of(release).to_owned();
        let chain = match read_on(&head, entries) {
            Ok(chain) => chain,
            Err(damage) => return (Page::Damaged { app, what: damage.to_string() }, Vec::new()),
        };
        let folded = match known {
            Some(known) => {
                let mut folded = known.folded.clone();
                chain.entries.iter().for_each(|entry| folded.add(entry));
                folded
            }
            None if chain.entries.is_empty() && chain.torn.is_some() => {
                return (Page::Void { app }, Vec::new());
            }
            None => match fold(release, &chain) {
                Some(folded) => folded,
                None => {
                    let what = "its first entry is not a request".to_owned();
                    return (Page::Damaged { app, what }, Vec::new());
                }
            },
        };
        (Page::Whole(Arc::new(Release { folded, head: chain.head, torn: chain.torn })), chain.entries)
    }

    /// The app that it is a release of.
    #[must_use]
    pub(crate) fn app(&self) -> &str {
        match self {
            Page::Whole(release) => &release.folded.request.app,
            Page::Void { app } | Page::Damaged { app, .. } => app,
        }
    }

    /// Nothing will be written into its journal any more.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Page::Whole(release) => release.folded.ended() && release.folded.notices.all_told(),
            Page::Void { .. } => true,
            Page::Damaged { .. } => false,
        }
    }
}
