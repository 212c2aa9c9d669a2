//! What a consistent hash takes as its key (APISIX §2.6).

use crate::request::Request;
use crate::table::Route;
use crate::vars::RequestVariables;
use model::expr::eval::{Variable, Variables};
use model::upstream::HashOn;

/// The key of a consistent hash; the client's address where the named value is missing (APISIX §2.6).
pub(super) fn hash_key(request: &Request<'_>, route: &Route, on: HashOn, key: &str) -> Vec<u8> {
    let variables = RequestVariables { request, route: Some(route) };
    let text = |name: &str| match variables.get(name) {
        Some(Variable::Text(text)) => Some(text.into_owned()),
        Some(Variable::Bool(value)) => Some(value.to_string()),
        Some(Variable::Number(value)) => Some(value.to_string()),
        _ => None,
    };
    let value = match on {
        HashOn::Vars => text(key),
        HashOn::Header => text(&format!("http_{key}")),
        HashOn::Cookie => text(&format!("cookie_{key}")),
        HashOn::Consumer => None,
        HashOn::VarsCombinations => combine(key, &text),
    };
    value
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| request.connection.peer_text.clone())
        .into_bytes()
}

/// Replaces each `$name` of a combination; `None` if no name has a value.
fn combine(pattern: &str, text: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = pattern.split('$');
    let mut combined = parts.next().unwrap_or_default().to_owned();
    let mut found = false;
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        if let Some(value) = text(name) {
            found = true;
            combined.push_str(&value);
        }
        combined.push_str(rest);
    }
    found.then_some(combined)
}
