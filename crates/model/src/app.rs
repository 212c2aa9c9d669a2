//! An app: what is upgraded.

mod check;

pub use check::{MAX_DURATION_MS, check_load_mix};

use crate::field::{FieldError, parse};
use crate::policy::ReleasePolicy;
use crate::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A service plus the target that it runs on. Stored as [`crate::resource::Kind::App`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Unique id: 1 to 64 of `[a-zA-Z0-9-_.]`.
    #[serde(default)]
    pub id: String,
    /// The gateway service whose traffic is moved. Its routes name it; the release moves its default upstream.
    pub service_id: String,
    /// Where the environments run.
    pub target: Target,
    /// How a release goes; all of it has defaults.
    #[serde(default)]
    pub release: ReleasePolicy,
}

impl App {
    /// Reads an app as the store holds it, that is with the times that the store's writers put into every value.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub fn from_value(value: &Value) -> Result<App, FieldError> {
        let mut value = value.clone();
        if let Some(object) = value.as_object_mut() {
            object.shift_remove("create_time");
            object.shift_remove("update_time");
        }
        parse(value)
    }
}

/// The JSON schema of an app (2020-12), generated from the types and their documentation.
#[must_use]
pub fn app_schema() -> Value {
    schemars::schema_for!(App).to_value()
}
