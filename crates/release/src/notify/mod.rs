//! Notifications: telling others what happens in a release.
//!
//! What there is to tell is not kept anywhere: it is what the journal says (`notices`), and so is what was delivered
//! already ([`Notices`]). A crash loses nothing: what is not journaled as delivered is sent again, under the same id. A
//! receiver gets its notices one after the other, in the order of the journal. A release waits for none of this.

mod deliver;
mod message;
mod notice;
mod progress;
mod signature;

pub(crate) use deliver::deliver;
pub(crate) use notice::notices;
pub use notice::{Mark, Notice};
pub use progress::{Notices, ReceiverView, Unsent};
pub use signature::signature;

#[cfg(test)]
pub(crate) mod tests;
