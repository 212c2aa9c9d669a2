//! What happened: one record per request becomes exact counters and latency sketches, per thread and merged, and
//! lines of the access log. This crate is the contract between the request path and the release path.

pub mod access_log;
pub mod counts;
pub mod prometheus;
pub mod series;
pub mod sketch;
pub mod totals;
