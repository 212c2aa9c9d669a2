//! What is known of the nodes of an upstream besides its configuration: whether they are healthy, how long they have
//! been up, how fast they answer and how many requests are open.
//!
//! It is kept while upstream and node stay the same, so an edit does not forget that a node is down. Threads read it
//! with relaxed loads when they pick a node; health is written only when something is counted.

mod checker;
mod counters;
mod node;
mod probe;
mod registry;
mod standing;

pub(crate) use checker::{Checked, Checker};
#[cfg(test)]
pub(crate) use counters::{Counters, Event, Status};
pub(crate) use node::Load;
#[cfg(test)]
pub(crate) use node::NodeState;
pub(crate) use probe::bare;
pub(crate) use registry::Registry;
pub(crate) use standing::{Failed, Standing};
