//! Writes on a service that comes from the configuration file: read-only, but for what a release owns of it.
//!
//! A person may do by hand what a release does, and undo it. So a write that changes only the owned fields of a
//! service with an app goes into the overlay; every other one is refused.

use crate::resources::view::Shown;
use crate::resources::{read_only, references};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::overlay::{Overlay, Owned};
use model::resource::{Kind, Origin};
use serde_json::Value;
use store::{Expect, StoreError, Write};

/// The write that makes the service be as desired; `None` if it already is.
pub(crate) async fn write(
    state: &AdminState,
    current: &Shown,
    desired: &Value,
) -> Result<Option<Write>, Problem> {
    let refused = || read_only(current.kind, &current.id);
    if current.kind != Kind::Service || rest(&current.value) != rest(desired) {
        return Err(refused());
    }
    let app = references::app_of_service(state, &current.id).await?.ok_or_else(refused)?;
    let owned = Owned::of(desired);
    if owned == Owned::of(&current.value) {
        return Ok(None);
    }
    let (overlay, expect) = match &current.overlay {
        Some((overlay, modified)) => (Overlay { owned, ..overlay.clone() }, Expect::Modified(*modified)),
        None => (Overlay { app, base: Owned::of(&current.base.value), owned }, Expect::Absent),
    };
    let value = serde_json::to_value(&overlay).map_err(|error| StoreError::Backend {
        path: format!("overlays/{}", current.id),
        action: "write it as JSON",
        source: error.into(),
    })?;
    let id = Some(current.id.clone());
    Ok(Some(Write::Put { kind: Kind::Overlay, id, value, origin: Origin::Release, expect }))
}

/// A service without its owned fields, and without what every write sets.
fn rest(service: &Value) -> Value {
    let mut rest = service.clone();
    Owned::default().apply(&mut rest);
    if let Some(object) = rest.as_object_mut() {
        for key in ["id", "create_time", "update_time"] {
            object.shift_remove(key);
        }
        if object.get("plugins").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            object.shift_remove("plugins");
        }
    }
    rest
}
