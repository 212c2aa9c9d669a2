//! The built binary against backends that nobody here wrote: nginx, uvicorn, Debian's `python3-websockets`,
//! `http.server`, and `curl` and Chromium as clients. Each test has a directory, ports and processes of its own, and leaves nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: a surprise must stop the test"
)]

mod answers;
mod asgi;
mod clock;
mod crashes;
mod cutover;
mod evidence;
mod failpoints;
mod grpc;
mod guard;
mod harness;
mod held_back;
mod holds;
mod judged;
mod load_gate;
mod mixed;
mod node_health;
mod notifications;
mod operation;
mod overload;
mod plugins;
mod reasons;
mod rehearsal;
mod release_cli;
mod release_roles;
mod reload;
mod report_page;
mod seed_walk;
mod shadow;
mod smuggling;
mod socket_activation;
mod switches;
mod takeover;
mod takeover_failures;
mod tls;
mod upgrade_by_signal;
mod users;
mod writes;
mod wrong_files;
mod wrong_journal;
mod wrong_requests;
