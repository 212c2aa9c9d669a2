//! `tealgate serve`: what it is to run, put together from file and flags.

pub mod prepare;
