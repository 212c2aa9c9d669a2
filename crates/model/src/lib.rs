//! The nouns of Tealgate: gateway resources, the release spec, the request record.
//!
//! This crate is the public contract. It holds data, its JSON shape and the rules that say whether a value is
//! well-formed. It does no I/O, reads no clock, and does not know tokio.
#![forbid(unsafe_code)]

pub mod address;
pub mod app;
pub mod check;
pub mod cidr;
pub mod colour;
pub mod consumer;
pub mod expr;
pub mod field;
pub mod label;
pub mod overlay;
mod pattern;
pub mod plugin;
pub mod policy;
pub mod reason;
pub mod record;
pub mod resource;
pub mod route;
pub mod schema;
pub mod secret;
pub mod service;
pub mod ssl;
pub mod target;
pub mod traffic_split;
pub mod upstream;

pub use field::{FieldError, parse};
