//! Reports: what a release did, counted and timed, for people and programs.

pub mod account;

pub use account::{Account, Row};
