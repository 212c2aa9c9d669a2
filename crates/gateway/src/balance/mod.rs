//! Which node of an upstream gets the request (APISIX §2.6), and how often it may be tried again.

pub(crate) mod budget;
pub(crate) mod ewma;
pub(crate) mod picker;
pub(crate) mod random;
pub(crate) mod ring;
pub(crate) mod sequence;
pub(crate) mod shuffle;
mod smooth;
pub(crate) mod wheel;
