//! What the properties and the fuzz targets hold the codec against.

pub(crate) mod body;
pub(crate) mod hyper;
pub(crate) mod pieces;
