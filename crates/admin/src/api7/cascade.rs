//! Deleting a service with everything that belongs to it, in one commit: all or nothing.

use crate::api7::upstreams;
use crate::resources::remove::deletion;
use crate::resources::write::wait;
use crate::resources::{Progress, references, view};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::resource::Kind;
use model::route::optional_id;

/// Deletes the service, its routes and its upstreams. Refused, with nothing deleted, when one of them comes from the
/// configuration file or an app moves the service's traffic.
pub(crate) async fn remove(state: &AdminState, service: &str) -> Result<Progress, Problem> {
    let revision = {
        let _alone = state.writes.lock().await;
        let mut deletions = vec![deletion(state, Kind::Service, service).await?];
        if let Some(app) = references::app_of_service(state, service).await? {
            return Err(references::in_use("this service directly", "app", &app));
        }
        for route in view::all(state, Kind::Route).await? {
            if optional_id(&route.value, "service_id").as_deref() == Some(service) {
                deletions.push(deletion(state, Kind::Route, &route.id).await?);
            }
        }
        for upstream in upstreams::of_service(state, service).await? {
            deletions.push(deletion(state, Kind::Upstream, &upstream.id).await?);
        }
        state.store.commit(deletions, None).await?.revision
    };
    Ok(wait(state, revision).await)
}
