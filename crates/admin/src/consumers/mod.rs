//! Consumers and their credentials, the same in both dialects but for the shape of the answers (APISIX §1.2).
//!
//! A consumer's id is its `username`, which stands in the body; a credential lives below its consumer and goes with it.

mod unique;

use crate::apisix::collection::{ttl_s, whole};
use crate::apisix::{Call, list};
use crate::resources::remove::deletion;
use crate::resources::view::{self, Shown};
use crate::resources::write::{Change, Order, wait, write};
use crate::state::{AdminState, Dialect};
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::{api7, apisix};
use axum::http::Method;
use axum::response::Response;
use model::consumer::{credential_id, split_credential_id};
use model::resource::Kind;
use serde_json::Value;

pub(crate) use unique::must_be_unique;

/// Answers `/consumers[/{username}[/credentials[/{id}]]]`.
pub(crate) async fn answer(state: &AdminState, dialect: Dialect, call: Call) -> Result<Response, Problem> {
    let Call { method, segments, query, body } = call;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let place = match segments.get(1..).unwrap_or_default() {
        [] => Place { kind: Kind::Consumer, username: None, id: None },
        [username] => Place { kind: Kind::Consumer, username: Some(username), id: None },
        [username, "credentials"] => Place { kind: Kind::Credential, username: Some(username), id: None },
        [username, "credentials", id] => {
            Place { kind: Kind::Credential, username: Some(username), id: Some(id) }
        }
        _ => return Err(Problem::NotFound("not found".to_owned())),
    };
    match method {
        Method::GET => get(state, dialect, &place, &query).await,
        Method::PUT => put(state, dialect, &place, &query, body).await,
        Method::DELETE => delete(state, dialect, &place).await,
        other => Err(Problem::MethodNotAllowed(format!(
            "not supported `{other}` method for {}",
            place.kind.singular()
        ))),
    }
}

/// What a path names.
struct Place<'a> {
    kind: Kind,
    username: Option<&'a str>,
    /// Of a credential.
    id: Option<&'a str>,
}

impl Place<'_> {
    /// The id in the store, if the path names one resource.
    fn stored_id(&self) -> Option<String> {
        match self.kind {
            Kind::Credential => Some(credential_id(self.username?, self.id?)),
            _ => self.username.map(str::to_owned),
        }
    }
}

async fn get(
    state: &AdminState,
    dialect: Dialect,
    place: &Place<'_>,
    query: &Query,
) -> Result<Response, Problem> {
    if let Some(id) = place.stored_id() {
        let shown = view::one(state, place.kind, &id).await?.ok_or(Problem::KeyNotFound)?;
        return Ok(match dialect {
            Dialect::Apisix => apisix::envelope::one(&shown),
            Dialect::Api7 => api7::envelope::one(&shown),
        });
    }
    let mut all = view::all(state, place.kind).await?;
    if let (Kind::Credential, Some(username)) = (place.kind, place.username) {
        all.retain(|credential| split_credential_id(&credential.id).0 == username);
    }
    if dialect == Dialect::Api7 {
        return Ok(api7::list::answer(&all, query));
    }
    let paging = list::Paging::of(query)?;
    let selected = list::Filters::of(place.kind, query)?.select(all);
    Ok(apisix::envelope::list(paging.page(&selected), selected.len()))
}

async fn put(
    state: &AdminState,
    dialect: Dialect,
    place: &Place<'_>,
    query: &Query,
    body: Option<Value>,
) -> Result<Response, Problem> {
    let (id, change) = match place.kind {
        Kind::Credential => credential(state, place, body).await?,
        _ => consumer(place, body)?,
    };
    let order = Order { kind: place.kind, id: Some(id), change, ttl_s: ttl_s(query)? };
    let written = write(state, &order).await?;
    Ok(match dialect {
        Dialect::Apisix => apisix::envelope::written(&written),
        Dialect::Api7 => api7::envelope::written(&written, &[]),
    })
}

/// The name stands in the body; one in the path must be the same.
fn consumer(place: &Place<'_>, body: Option<Value>) -> Result<(String, Change), Problem> {
    let username = |body: &Value| body.get("username").and_then(Value::as_str).map(str::to_owned);
    let named = body.as_ref().and_then(username);
    if let (Some(path), Some(body)) = (place.username, &named)
        && path != body
    {
        return Err(Problem::invalid("wrong username"));
    }
    // Without a name the schema refuses the body, whatever it is stored as.
    let id = named.or_else(|| place.username.map(str::to_owned)).unwrap_or_default();
    let (_, change) = whole(Kind::Consumer, &Method::PUT, Some(id.clone()), without_id(body))?;
    Ok((id, change))
}

/// `id` says nothing that `username` does not.
fn without_id(mut body: Option<Value>) -> Option<Value> {
    if let Some(object) = body.as_mut().and_then(Value::as_object_mut) {
        object.shift_remove("id");
    }
    body
}

/// A credential needs its consumer.
async fn credential(
    state: &AdminState,
    place: &Place<'_>,
    body: Option<Value>,
) -> Result<(String, Change), Problem> {
    let username = place.username.unwrap_or_default();
    if state.store.get(Kind::Consumer, username).await?.is_none() {
        return Err(Problem::NotFound("consumer not found".to_owned()));
    }
    let (id, change) = whole(Kind::Credential, &Method::PUT, place.id.map(str::to_owned), body)?;
    let id = id.unwrap_or_default();
    model::check::check_id(&id).map_err(|error| Problem::invalid(error.to_string()))?;
    Ok((credential_id(username, &id), change))
}

/// A consumer goes with its credentials: all or nothing.
async fn delete(state: &AdminState, dialect: Dialect, place: &Place<'_>) -> Result<Response, Problem> {
    let id =
        place.stored_id().ok_or_else(|| Problem::Invalid(format!("missing {} id", place.kind.singular())))?;
    let revision = {
        let _alone = state.writes.lock().await;
        let mut deletions = vec![deletion(state, place.kind, &id).await?];
        if place.kind == Kind::Consumer {
            for credential in credentials_of(state, &id).await? {
                deletions.push(deletion(state, Kind::Credential, &credential.id).await?);
            }
        }
        state.store.commit(deletions, None).await?.revision
    };
    let progress = wait(state, revision).await;
    Ok(match dialect {
        Dialect::Apisix => apisix::envelope::removed(&apisix::envelope::path(place.kind, &id), progress),
        Dialect::Api7 => api7::envelope::removed(progress),
    })
}

async fn credentials_of(state: &AdminState, username: &str) -> Result<Vec<Shown>, Problem> {
    let mut all = view::all(state, Kind::Credential).await?;
    all.retain(|credential| split_credential_id(&credential.id).0 == username);
    Ok(all)
}
