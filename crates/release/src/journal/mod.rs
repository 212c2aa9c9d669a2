//! The journal of a release: append-only, each entry hashing the one before.
//!
//! Everything that the release path knows about a release is the fold of its journal ([`fold`]); there is no second
//! record. An entry is written before what it speaks of is done (decisions and commands) or right after it happened
//! (outcomes). The store keeps the texts and their order; this module gives them meaning and checks that nobody
//! changed them.

mod chain;
mod event;
mod fold;
mod history;
#[cfg(test)]
mod tests;

pub use chain::{Chain, Damage, Entry, Head, read, read_on, seal};
pub use event::{Command, Event, Request};
pub use fold::{Folded, fold};
pub use history::{Move, Span};
