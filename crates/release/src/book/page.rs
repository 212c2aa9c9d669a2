//! One release in the book.

use super::app_of;
use crate::journal::{Chain, Folded, fold, read};
use std::sync::Arc;
use store::JournalEntry;

/// A release as its journal tells it.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// What it adds up to.
    pub(crate) folded: Folded,
    /// Its entries; empty once it has ended.
    pub(crate) chain: Chain,
}

/// A release, or why nothing is known of it.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    /// Its journal is whole.
    Whole(Arc<Release>),
    /// Its journal is damaged: releases of its app are refused until someone has looked.
    Damaged {
        /// The app, by the release's id.
        app: String,
        /// What is wrong.
        what: String,
    },
}

impl Page {
    pub(super) fn of(release: &str, entries: &[JournalEntry]) -> Page {
        let damaged = |what: String| Page::Damaged { app: app_of(release).to_owned(), what };
        match read(entries) {
            Ok(chain) => match fold(release, &chain) {
                Some(folded) => Page::Whole(Arc::new(Release { folded, chain })),
                None => damaged("its first entry is not a request".to_owned()),
            },
            Err(damage) => damaged(damage.to_string()),
        }
    }

    /// The app that it is a release of.
    #[must_use]
    pub(crate) fn app(&self) -> &str {
        match self {
            Page::Whole(release) => &release.folded.request.app,
            Page::Damaged { app, .. } => app,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Page::Whole(release) if release.folded.ended())
    }
}
