//! Failpoints: the moments just before and just after everything that a release leaves behind. A test ends or stops the
//! process there, and sees whether the release ends as it would have.
//!
//! There are three seams, one for each sort of [`Deed`]: `book::pages` appends entries, `runner::act` does actions,
//! `switch::gateway` writes resources. Whatever goes through them has its two points by itself.
//!
//! Only builds with debug assertions have any of it: in a release build [`Failpoints`] is empty, nobody can be told,
//! and `Failpoints::around` is the deed itself.

use std::fmt;

#[cfg(debug_assertions)]
use std::{future::Future, pin::Pin, sync::Arc};

/// Something that a release leaves behind. Its text is its name: it says what is done, and which one of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// An entry of a journal.
    Entry {
        /// Whose.
        release: String,
        /// Its number.
        seq: u64,
        /// Its kind ([`crate::journal::Event::name`]).
        kind: &'static str,
    },
    /// An action, from its begin to its end.
    Action {
        /// Its id: release, phase, counter.
        id: String,
        /// Its kind ([`crate::machine::Action::name`]).
        kind: &'static str,
    },
    /// A write of the switch into the store.
    Write {
        /// The release or app whose traffic it is.
        of: String,
        /// Where the traffic is to be.
        what: String,
    },
}

/// Which side of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Nothing of it is done.
    Before,
    /// It is done, and nobody here knows it yet.
    After,
}

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Before or after.
    pub side: Side,
    /// What.
    pub deed: Deed,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        match &self.deed {
            Deed::Entry { release, seq, kind } => write!(f, "{side} entry {kind} {release}#{seq}"),
            Deed::Action { id, kind } => write!(f, "{side} action {kind} {id}"),
            Deed::Write { of, what } => write!(f, "{side} write {what} {of}"),
        }
    }
}

/// Is told of each point, and goes on when it wants to, or never.
#[cfg(debug_assertions)]
pub type Hook = Arc<dyn Fn(Point) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Who is told of the points; by default nobody.
#[derive(Clone, Default)]
pub struct Failpoints {
    #[cfg(debug_assertions)]
    hook: Option<Hook>,
}

impl Failpoints {
    /// Tells `hook`.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn told_to(hook: Hook) -> Failpoints {
        Failpoints { hook: Some(hook) }
    }

    #[cfg(debug_assertions)]
    pub(crate) async fn around<F: Future>(&self, deed: impl FnOnce() -> Deed, doing: F) -> F::Output {
        let Some(hook) = &self.hook else { return doing.await };
        let deed = deed();
        hook(Point { side: Side::Before, deed: deed.clone() }).await;
        let done = doing.await;
        hook(Point { side: Side::After, deed }).await;
        done
    }

    #[cfg(not(debug_assertions))]
    #[inline(always)]
    pub(crate) fn around<F: Future>(&self, _deed: impl FnOnce() -> Deed, doing: F) -> F {
        doing
    }
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failpoints")
    }
}
