//! Who is asking: the allow list, the key, the role. Runs before any handler; its refusals carry no
//! `X-API-VERSION`, as in APISIX.

mod credentials;

use crate::keys::Actor;
use crate::release_api::{self, refusal::Refusal};
use crate::state::{AdminState, Dialect};
use crate::wire::problem::Problem;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::policy::Role;
use std::net::IpAddr;

/// The address that a connection comes from; the server puts it into each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What a listener's checks need.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) state: AdminState,
    pub(crate) dialect: Dialect,
}

/// Lets a request through with its [`Actor`], or answers it.
pub(crate) async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match actor(&guard, &request) {
        Ok(actor) if request.method() == Method::GET => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Ok(actor) => {
            // Without the query, which may hold the key.
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            request.extensions_mut().insert(actor.clone());
            let response = next.run(request).await;
            let status = response.status().as_u16();
            tracing::info!(actor = actor.name, %method, path, status, "Admin API");
            response
        }
        Err(problem) if request.uri().path().starts_with(release_api::PREFIX) => {
            Refusal::from(problem).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn actor(guard: &Guard, request: &Request) -> Result<Actor, Problem> {
    // A request without a known peer did not come through the server: nobody vouches for its address.
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    if !peer.is_some_and(|peer| guard.state.allow_admin.iter().any(|block| block.contains(peer))) {
        return Err(Problem::NotAllowed { peer });
    }
    let presented = credentials::of(request, guard.dialect).ok_or(Problem::Unauthorized("missing apikey"))?;
    let actor = guard.state.keys.borrow().actor(&presented.key);
    let actor = actor.filter(|actor| presented.user.is_none_or(|user| user == actor.name));
    let actor = actor.ok_or(Problem::Unauthorized("wrong apikey"))?;
    if request.uri().path().starts_with("/apisix/admin") {
        may_use_admin_api(&actor, request.method())?;
    }
    Ok(actor)
}

/// Reading is for every key; writing gateway resources needs the role admin. The release API checks its own verbs.
fn may_use_admin_api(actor: &Actor, method: &Method) -> Result<(), Problem> {
    let reads = method == Method::GET || method == Method::HEAD;
    match actor.role {
        Role::Admin => Ok(()),
        _ if reads => Ok(()),
        Role::Viewer => Err(Problem::Unauthorized("invalid method for role viewer")),
        Role::Operator => Err(Problem::Unauthorized("invalid method for role operator")),
        Role::Approver => Err(Problem::Unauthorized("invalid method for role approver")),
    }
}
