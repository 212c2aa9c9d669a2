//! What a reader sees: the resource as it holds now, that is, a service with the overlay of its app's release.

use crate::resources::{EXPIRES_AT_MS, secrets};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::consumer::split_credential_id;
use model::overlay::{Overlay, effective};
use model::resource::{Kind, Origin, Resource, Revision};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use store::StoreError;

/// A resource as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// What it is.
    pub(crate) kind: Kind,
    /// Which.
    pub(crate) id: String,
    /// What holds.
    pub(crate) value: Value,
    /// Who may change it.
    pub(crate) origin: Origin,
    /// The revision that created it.
    pub(crate) created: Revision,
    /// The revision of the last change that can be seen in `value`.
    pub(crate) modified: Revision,
    /// The resource without its overlay.
    pub(crate) base: Arc<Resource>,
    /// The overlay and the revision of its last change.
    pub(crate) overlay: Option<(Overlay, Revision)>,
}

impl Shown {
    /// Puts a resource and its overlay together.
    pub(crate) fn of(base: Arc<Resource>, overlay: Option<&Resource>) -> Result<Shown, Problem> {
        let overlay = overlay.map(read_overlay).transpose()?;
        let mut value = effective(&base.value, overlay.as_ref().map(|(overlay, _)| overlay));
        if let Some(object) = value.as_object_mut() {
            object.shift_remove(EXPIRES_AT_MS);
            if base.kind == Kind::Credential {
                object.insert("id".to_owned(), shown_id(base.kind, &base.id).into());
            }
        }
        let overlaid = overlay.as_ref().map_or(0, |(_, modified)| *modified);
        Ok(Shown {
            kind: base.kind,
            id: base.id.clone(),
            value,
            origin: base.origin,
            created: base.created,
            modified: base.modified.max(overlaid),
            base,
            overlay,
        })
    }
}

/// The id as the value of a resource shows it: a credential's is that within its consumer.
pub(crate) fn shown_id(kind: Kind, id: &str) -> &str {
    match kind {
        Kind::Credential => split_credential_id(id).1,
        _ => id,
    }
}

/// One resource.
pub(crate) async fn one(state: &AdminState, kind: Kind, id: &str) -> Result<Option<Shown>, Problem> {
    let Some(base) = state.store.get(kind, id).await? else { return Ok(None) };
    let overlay = match kind {
        Kind::Service => state.store.get(Kind::Overlay, id).await?,
        _ => None,
    };
    Shown::of(base, overlay.as_deref()).map(|shown| Some(opened(state, shown)))
}

/// All resources of one kind, in the order of their creation.
pub(crate) async fn all(state: &AdminState, kind: Kind) -> Result<Vec<Shown>, Problem> {
    let bases = state.store.list(kind).await?;
    let overlays = match kind {
        Kind::Service => state.store.list(Kind::Overlay).await?,
        _ => Vec::new(),
    };
    let overlays: HashMap<&str, &Resource> = overlays.iter().map(|o| (o.id.as_str(), o.as_ref())).collect();
    bases
        .into_iter()
        .map(|base| {
            let overlay = overlays.get(base.id.as_str()).copied();
            Shown::of(base, overlay).map(|shown| opened(state, shown))
        })
        .collect()
}

fn opened(state: &AdminState, mut shown: Shown) -> Shown {
    secrets::open_shown(state, &mut shown);
    shown
}

fn read_overlay(resource: &Resource) -> Result<(Overlay, Revision), Problem> {
    let overlay = Overlay::from_value(&resource.value).map_err(|error| StoreError::Damaged {
        path: format!("overlays/{}", resource.id),
        what: error.to_string(),
    })?;
    Ok((overlay, resource.modified))
}
