//! Deleting a resource.

use crate::resources::write::wait;
use crate::resources::{Progress, read_only, references, view};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::resource::{Kind, Origin};
use store::{Expect, Write};

/// Deletes one resource. `force` skips the reference checks, but not the protection of a release's upstreams.
pub(crate) async fn remove(
    state: &AdminState,
    kind: Kind,
    id: &str,
    force: bool,
) -> Result<Progress, Problem> {
    let revision = {
        let _alone = state.writes.lock().await;
        if !force {
            references::must_be_unused(state, kind, id).await?;
        }
        let delete = deletion(state, kind, id).await?;
        state.store.commit(vec![delete], None).await?.revision
    };
    Ok(wait(state, revision).await)
}

/// The write that deletes one resource, if its origin allows it.
pub(crate) async fn deletion(state: &AdminState, kind: Kind, id: &str) -> Result<Write, Problem> {
    let current = view::one(state, kind, id).await?.ok_or(Problem::KeyNotFound)?;
    if current.origin == Origin::File {
        return Err(read_only(kind, id));
    }
    if kind == Kind::Upstream
        && let Some(app) = references::app_of_upstream(state, id).await?
    {
        return Err(references::in_use("this upstream", "app", &app));
    }
    let expect = Expect::Modified(current.base.modified);
    Ok(Write::Delete { kind, id: id.to_owned(), expect })
}
