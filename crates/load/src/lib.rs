//! The client with a ledger: it sends requests with unique ids, checks every answer, and accounts for each of them.
//!
//! It speaks HTTP through hyper, not through our own codec, so that a mistake there cannot hide here. Nothing is
//! forgiven: a request is answered whole and checked, or it is lost. The client does not retry; it opens a new
//! connection only when the old one was closed before a byte of the next request was written.
//!
//! [`run::Load`] says what to send, [`run::Handle`] watches and stops it, [`ledger::Ledger`] is the account, and
//! [`reconcile::reconcile`] holds it against what the backends counted themselves.
//!
//! [`drive::Drive`] is for load tests: an open loop at a fixed rate that hands out what became of each request.
#![forbid(unsafe_code)]

mod book;
pub mod client;
mod clock;
pub mod connection;
pub mod drive;
pub mod echo;
mod job;
pub mod kind;
pub mod ledger;
mod mix;
pub mod pace;
mod pool;
pub mod reconcile;
pub mod run;
