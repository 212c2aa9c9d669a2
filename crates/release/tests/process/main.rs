//! Target `process` with real processes: this test's own binary, started again as launcher and as app.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: a surprise must stop the test"
)]

mod adoption;
mod app;
mod changes;
#[cfg(debug_assertions)]
mod crashes;
mod faults;
mod readiness;
mod secrets;
mod supervision;
mod world;
