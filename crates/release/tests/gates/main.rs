//! The gates against real servers and real programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: a surprise must stop the test"
)]

mod beside;
mod command;
mod load;
mod metric;
mod smoke;

use model::colour::Colour;
use model::policy::Check;
use release::gate::{GateContext, GateOutcome, Progress, runner};
use serde_json::Value;
use std::net::SocketAddr;
use tempfile::TempDir;

/// Version 2 in green, no instance yet.
fn context(directory: &TempDir) -> GateContext {
    GateContext {
        app: "shop".to_owned(),
        service: "shop".to_owned(),
        release: "r7".to_owned(),
        version: "v2".to_owned(),
        colour: Colour::Green,
        scheme: "http".to_owned(),
        instances: Vec::new(),
        gateway: None,
        preview: None,
        host: None,
        output_dir: directory.path().join("output"),
        base_dir: directory.path().to_owned(),
        timeout_ms: 30_000,
        live: None,
        shadows: None,
        progress: Progress::default(),
    }
}

fn instance(address: SocketAddr) -> (String, u16) {
    (address.ip().to_string(), address.port())
}

/// Runs a check that is written as in the configuration.
async fn run(check: Value, context: &GateContext) -> GateOutcome {
    let check: Check = serde_json::from_value(check).unwrap();
    runner(&check).unwrap().run(context).await
}

#[test]
fn an_approval_is_given_by_a_person() {
    assert!(runner(&Check::Approval {}).is_none());
}
