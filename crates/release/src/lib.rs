//! The release path: spec → plan → machine → runner → actions on the target → gates → switch → soak → decommission.
//!
//! `plan` and `machine` are pure: no I/O, `now` is an argument. The runner makes real what the machine asks for; it
//! meets the request path only in the store (what we want) and in telemetry (what happened).
#![forbid(unsafe_code)]

mod book;
pub mod clock;
pub mod comparison;
pub mod controller;
pub mod counters;
pub mod events;
#[cfg(test)]
mod example;
pub mod failpoint;
pub mod gate;
pub mod journal;
pub mod lease;
pub mod machine;
pub mod notify;
pub mod plan;
mod remote;
pub mod report;
mod runner;
pub mod switch;
pub mod target;
pub mod view;
pub mod ways;
