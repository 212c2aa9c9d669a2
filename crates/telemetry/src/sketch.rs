//! Placeholder.
use serde::{Deserialize, Serialize};
/// Placeholder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sketch {}
