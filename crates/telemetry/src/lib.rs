//! What happened: one record per request becomes exact counters and latency sketches, per thread and merged, and
//! lines of the access log. This crate is the contract between the request path and the release path.
//!
//! A request thread writes to cells that it alone writes ([`cell::Cell`], [`totals::ThreadTotals`]) and to a buffer
//! of its own ([`access_log::LogBuffer`]); it never takes a lock, allocates or waits here. Everyone else reads
//! snapshots: plain numbers that add ([`counts::Counts`]).
#![forbid(unsafe_code)]

pub mod access_log;
pub mod cell;
mod clock;
pub mod counts;
pub mod ends;
pub mod found;
pub mod health;
pub mod histogram;
mod log_line;
mod log_writer;
mod masking;
pub mod process;
pub mod prometheus;
pub mod report;
pub mod samples;
pub mod series;
pub mod sketch;
mod tally;
pub mod totals;
