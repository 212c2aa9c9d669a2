//! What a consistent hash takes as its key (APISIX §2.6).

use crate::request::Request;
use crate::table::Route;
use crate::vars::RequestVariables;
use model::upstream::HashOn;
use std::borrow::Cow;

/// The key of a consistent hash; the client's address where the named value is missing (APISIX §2.6).
pub(crate) fn hash_key(request: &Request<'_>, route: &Route, on: HashOn, key: &str) -> Vec<u8> {
    let variables = RequestVariables { request, route: Some(route) };
    let text = |name: &str| variables.text(name).map(Cow::into_owned);
    let value = match on {
        HashOn::Vars => text(key),
        HashOn::Header => text(&format!("http_{key}")),
        HashOn::Cookie => text(&format!("cookie_{key}")),
        HashOn::Consumer => text("consumer_name"),
        HashOn::VarsCombinations => combine(key, &text),
    };
    value.filter(|value| !value.is_empty()).unwrap_or_else(|| request.client_text().to_owned()).into_bytes()
}

/// Replaces each `$name` and `${name}` of a combination; `None` if no name has a value.
fn combine(pattern: &str, text: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut parts = pattern.split('$');
    let mut combined = parts.next().unwrap_or_default().to_owned();
    let mut found = false;
    for part in parts {
        let (name, rest) = match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            Some(braced) => braced,
            None => {
                let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                part.split_at(end.unwrap_or(part.len()))
            }
        };
        if let Some(value) = text(name) {
            found = true;
            combined.push_str(&value);
        }
        combined.push_str(rest);
    }
    found.then_some(combined)
}

#[cfg(test)]
mod tests {
    use super::combine;

    #[test]
    fn a_combination_is_put_together_of_what_has_a_value() {
        let text = |name: &str| match name {
            "host" => Some("h".to_owned()),
            "arg_a" => Some("1".to_owned()),
            _ => None,
        };
        assert_eq!(combine("$host-$arg_a/$none.", &text).as_deref(), Some("h-1/."));
        assert_eq!(combine("${host}x$arg_a", &text).as_deref(), Some("hx1"));
        assert_eq!(combine("$none${nothing}", &text), None);
        assert_eq!(combine("fixed", &text), None);
    }
}
