//! Failpoints: the moments just before and just after everything that a release leaves behind. A test ends or stops the
//! process there, and sees whether the release ends as it would have.
//!
//! There are four seams, one for each sort of [`Deed`]: `book::pages` appends entries, `runner::act` does actions,
//! `switch::gateway` writes resources, `target::process` takes steps with processes. Whatever goes through them has its
//! two points by itself.
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
    /// A step of the process driver with one of its instances.
    Process {
        /// Which instance: app, colour, number, release.
        instance: String,
        /// What is done.
        step: ProcessStep,
    },
}

/// What the process driver does with one instance, in the order of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessStep {
    /// What ran already is taken over.
    Adopt,
    /// What a process that is gone has left behind is ended.
    Sweep,
    /// The record of an instance that is about to be started is written.
    Record,
    /// Its process is made; it is not the program yet.
    Spawn,
    /// The process is recorded.
    Mark,
    /// The process is told to become the program.
    LetGo,
    /// It is ready for the first time, and that is said.
    Ready,
    /// It is asked to end, and waited for.
    Terminate,
    /// What is left of it is killed.
    Kill,
    /// Its record is removed.
    Forget,
}

impl ProcessStep {
    /// All of them.
    pub const ALL: [ProcessStep; 10] = [
        ProcessStep::Adopt,
        ProcessStep::Sweep,
        ProcessStep::Record,
        ProcessStep::Spawn,
        ProcessStep::Mark,
        ProcessStep::LetGo,
        ProcessStep::Ready,
        ProcessStep::Terminate,
        ProcessStep::Kill,
        ProcessStep::Forget,
    ];

    /// The step in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ProcessStep::Adopt => "adopt",
            ProcessStep::Sweep => "sweep",
            ProcessStep::Record => "record",
            ProcessStep::Spawn => "spawn",
            ProcessStep::Mark => "mark",
            ProcessStep::LetGo => "let-go",
            ProcessStep::Ready => "ready",
            ProcessStep::Terminate => "terminate",
            ProcessStep::Kill => "kill",
            ProcessStep::Forget => "forget",
        }
    }
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
            Deed::Process { instance, step } => write!(f, "{side} process {} {instance}", step.name()),
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
