//! The composition root and the command line of Tealgate.
//!
//! The only crate that sees all others: it reads the configuration, builds the parts, hands each what it needs, and
//! talks to the person at the terminal. It holds no logic of the request path or the release path. It is a library
//! with a thin `main.rs` so that tests and the demo call the same code as the command line.
#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub mod clock;
pub mod command;
pub mod config;
pub mod data_dir;
pub mod demo;
pub mod error;
pub mod exit;
pub mod logging;
pub mod running;
pub mod sample_app;
pub mod serve;
pub mod terminal;
pub mod tree;
