//! Keys of consistent hashing that find nothing, so that the client's address is hashed: a header or cookie that is named as a
//! variable would be, and a combination without any variable.

use super::Advice;
use serde_json::Value;

/// What is told of the upstreams of a resource, wherever in it they are written.
pub(super) fn of(value: &Value, pointer: &str) -> Vec<Advice> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(place, item)| of(item, &format!("{pointer}/{place}")))
            .collect(),
        Value::Object(object) => {
            let own = fault(value).map(|text| Advice { pointer: format!("{pointer}/key"), text });
            let inside = object.iter().flat_map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                of(value, &format!("{pointer}/{name}"))
            });
            own.into_iter().chain(inside).collect()
        }
        _ => Vec::new(),
    }
}

/// What is wrong with the key of an upstream, if that is what it is.
fn fault(upstream: &Value) -> Option<String> {
    let text = |field: &str| upstream.get(field).and_then(Value::as_str);
    if text("type") != Some("chash") {
        return None;
    }
    let key = text("key")?;
    let (kind, bare) = match text("hash_on")? {
        "header" => ("header", strip(key, "http_")?),
        "cookie" => ("cookie", strip(key, "cookie_")?),
        "vars_combinations" if !has_variable(key) => {
            return Some(format!(
                "the key {key} of hash_on vars_combinations has no variable (one begins with $, like \
                 $remote_addr$http_x_user): it has no value, so the client's address is hashed"
            ));
        }
        _ => return None,
    };
    Some(format!(
        "hash_on {kind} takes the bare name, so the key {key} means a {kind} that is called {key}; where a request has none, \
         the client's address is hashed: if {bare} is meant, write that"
    ))
}

/// What follows a prefix in any case, if something does.
fn strip<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = key.split_at_checked(prefix.len())?;
    (start.eq_ignore_ascii_case(prefix) && !rest.is_empty()).then_some(rest)
}

/// Whether a combination names a variable: `$name` or `${name}`.
fn has_variable(key: &str) -> bool {
    let begins_name = |rest: &str| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_' || first == '{')
    };
    key.split('$').skip(1).any(begins_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(hash_on: &str, key: &str) -> Vec<Advice> {
        of(&json!({"type": "chash", "hash_on": hash_on, "key": key, "nodes": {"a:1": 1}}), "")
    }

    #[test]
    fn a_header_or_cookie_that_is_named_as_a_variable_is_told_with_its_bare_name() {
        for (hash_on, key, bare) in
            [("header", "http_x_u", "x_u"), ("header", "HTTP_X-U", "X-U"), ("cookie", "cookie_sid", "sid")]
        {
            let found = told(hash_on, key);
            assert!(found.len() == 1 && found[0].pointer == "/key", "{found:?}");
            assert!(found[0].text.contains(&format!("if {bare} is meant")), "{found:?}");
        }
    }

    #[test]
    fn a_combination_without_a_variable_is_told() {
        for key in ["host", "", "a$-b", "100$"] {
            assert!(told("vars_combinations", key)[0].text.contains("no variable"), "{key}");
        }
    }

    #[test]
    fn a_key_that_is_right_is_passed_over_in_silence() {
        for (hash_on, key) in [
            ("header", "x-user"),
            ("header", "http"),
            ("header", "http_"),
            ("cookie", "sid"),
            ("vars", "remote_addr"),
            ("vars_combinations", "$host$remote_addr"),
            ("vars_combinations", "a-${host}"),
            ("consumer", "http_x"),
        ] {
            assert_eq!(told(hash_on, key), [], "{hash_on} {key}");
        }
        assert_eq!(of(&json!({"type": "roundrobin", "hash_on": "header", "key": "http_x"}), ""), []);
    }

    #[test]
    fn it_is_told_wherever_an_upstream_is_written() {
        let upstream =
            json!({"type": "chash", "hash_on": "cookie", "key": "cookie_sid", "nodes": {"a:1": 1}});
        let rule = json!({"rules": [{"weighted_upstreams": [{"upstream": upstream, "weight": 1}]}]});
        let route = json!({"upstream": upstream, "plugins": {"traffic-split": rule}});
        let mut pointers: Vec<_> = of(&route, "").into_iter().map(|advice| advice.pointer).collect();
        pointers.sort();
        assert_eq!(
            pointers,
            ["/plugins/traffic-split/rules/0/weighted_upstreams/0/upstream/key", "/upstream/key"]
        );
    }
}
