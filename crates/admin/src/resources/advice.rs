//! What of a resource that was written will not be as it says: for the writer, who would else learn it from clients.

use crate::advice;
use crate::clock;
use crate::resources::view::{self, Shown};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::resource::Kind;
use model::ssl::{Ssl, Usage};
use serde_json::Value;

/// What the writer should hear.
pub(crate) async fn of(state: &AdminState, written: &Shown) -> Result<Vec<String>, Problem> {
    let own = advice::of(written.kind, &written.value, clock::unix_s());
    let mut told: Vec<String> = own.into_iter().map(|advice| advice.text).collect();
    if written.kind == Kind::Ssl {
        let ssl = Ssl::from_value(&written.value);
        if ssl.enabled && ssl.usage == Usage::Server {
            told.extend(of_names(state, &ssl, written).await?);
        }
    }
    Ok(told)
}

/// The names that clients get another certificate for. As in APISIX, two may have the same; here the older one is shown.
async fn of_names(state: &AdminState, ssl: &Ssl, written: &Shown) -> Result<Vec<String>, Problem> {
    let serves =
        |value: &Value| Some(Ssl::from_value(value)).filter(|ssl| ssl.enabled && ssl.usage == Usage::Server);
    let mut taken = Vec::new();
    for other in view::all(state, Kind::Ssl).await?.iter().filter(|other| other.created < written.created) {
        let names = serves(&other.value).map(|other| other.snis).unwrap_or_default();
        let shared = ssl.snis.iter().filter(|name| names.contains(name));
        taken.extend(shared.map(|name| format!("{name} is served by the older ssl {}", other.id)));
    }
    Ok(taken)
}
