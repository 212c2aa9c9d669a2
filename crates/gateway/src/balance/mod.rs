//! Which node of an upstream gets the request (APISIX §2.6).

pub(crate) mod ring;
pub(crate) mod sequence;
pub(crate) mod shuffle;
pub(crate) mod wheel;
