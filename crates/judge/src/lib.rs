//! The judge: exact counts in, a verdict and its evidence out.
//!
//! Pure functions over numbers. No I/O, no clock, no smoothing: who asks decides over which window was counted. Its
//! verdict is pass, fail or inconclusive, never silence; what is not known is never a pass.
#![forbid(unsafe_code)]

pub mod limits;
