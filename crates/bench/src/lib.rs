//! The programs of `benches/side-by-side`: load generators and an upstream that never sleep, and a relay that parses
//! nothing. They are no part of Tealgate and share no code with it, so that what measures is not what is measured.
//!
//! `bench-trip` is for `benches/rollback`, where times of milliseconds are measured, and sleeps.
//!
//! Never sleeping matters: an upstream that sleeps whenever a proxy is slow makes each send of that proxy pay a
//! wake-up, and so overcharges slow proxies.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod clock;
pub mod cpu;
pub mod keys;
pub mod message;
pub mod poller;
pub mod spin;
pub mod tally;
pub mod trips;
pub mod workload;
