//! What a configuration of `traffic-split` must look like (APISIX §2.1).
//!
//! Nothing is required and unknown keys pass, as in APISIX, but for a rule's `tealgate`, which is ours. Inline upstreams are whole upstreams: the same schema,
//! and the same rules behind it, so that a mistake is a 400 on write and not a 500 for every request.

use model::check::check_upstream;
use model::expr::Expr;
use model::resource::Kind;
use model::traffic_split::Extension;
use serde_json::{Value, json};

/// The JSON schema.
#[must_use]
pub fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "rules": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"match": matches(), "weighted_upstreams": weighted_upstreams()},
                },
            },
        },
    })
}

/// One of them must pass, and each passes if all of its `vars` do.
fn matches() -> Value {
    json!({
        "type": "array",
        "items": {"type": "object", "properties": {"vars": {"type": "array"}}},
    })
}

/// Neither `upstream` nor `upstream_id`: the upstream of the route or its service.
fn weighted_upstreams() -> Value {
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "default": [{"weight": 1}],
        "items": {
            "type": "object",
            "properties": {
                "upstream_id": id(),
                "upstream": model::schema::of(Kind::Upstream),
                "weight": {"type": "integer", "minimum": 0, "default": 1},
            },
        },
    })
}

fn id() -> Value {
    model::schema::of(Kind::Upstream).pointer("/properties/id").cloned().unwrap_or(Value::Bool(true))
}

/// Checks what the schema cannot say: expressions, the rules of inline upstreams, and our own key of a rule.
///
/// # Errors
/// The first mistake, with APISIX's text.
pub fn check(conf: &Value) -> Result<(), String> {
    for rule in list(conf, "rules") {
        Extension::of(rule)?;
        for condition in list(rule, "match") {
            let vars = condition.get("vars").unwrap_or(&Value::Null);
            let checked = Expr::parse(vars).and_then(|expr| expr.check_patterns());
            checked.map_err(|error| error.to_string())?;
        }
        for choice in list(rule, "weighted_upstreams") {
            if let Some(upstream) = choice.get("upstream") {
                check_upstream(upstream).map_err(|error| error.text)?;
            }
        }
    }
    Ok(())
}

fn list<'a>(owner: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    owner.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use crate::ALL;
    use model::resource::Kind;
    use model::schema::CompiledSchema;
    use serde_json::{Value, json};

    fn checked(conf: Value) -> Result<(), String> {
        let service = json!({"plugins": {"traffic-split": conf}});
        model::check::check(Kind::Service, &service, ALL).map_err(|error| error.text)
    }

    /// The error without what is said of every plugin.
    fn text(conf: Value) -> String {
        let text = checked(conf).unwrap_err();
        let prefix = "failed to check the configuration of plugin traffic-split err: ";
        text.strip_prefix(prefix).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    fn choice(choice: Value) -> Value {
        json!({"rules": [{"weighted_upstreams": [choice]}]})
    }

    #[test]
    fn nothing_is_required_and_unknown_keys_pass() {
        for conf in [
            json!({}),
            json!({"rules": []}),
            json!({"rules": [{}], "x": 1}),
            choice(json!({"weight": 0, "x": 1})),
        ] {
            assert_eq!(checked(conf.clone()), Ok(()), "{conf}");
        }
    }

    #[test]
    fn our_own_key_of_a_rule_is_checked() {
        let with = |extension: Value| checked(json!({"rules": [{"tealgate": extension}]}));
        assert_eq!(with(json!({"shuffle": "s", "sticky": {"by": "address", "salt": "s"}})), Ok(()));
        assert!(with(json!({"shuffel": "s"})).unwrap_err().contains("unknown field `shuffel`"));
    }

    #[test]
    fn a_whole_configuration_passes() {
        let upstream =
            json!({"type": "roundrobin", "nodes": [{"host": "httpbin.org", "port": 443, "weight": 1}]});
        let conf = json!({"rules": [{
            "match": [{"vars": [["http_x_env", "==", "green"]]}, {"vars": []}],
            "weighted_upstreams": [{"upstream": upstream, "weight": 100}, {"upstream_id": 7, "weight": 1.0}, {"weight": 0}],
        }]});
        assert_eq!(checked(conf), Ok(()));
    }

    #[test]
    fn expressions_are_checked_and_must_be_there() {
        let with = |condition: Value| text(json!({"rules": [{"match": [condition]}]}));
        assert_eq!(with(json!({})), "failed to validate the 'vars' expression: missing argument rule");
        let wrong = json!({"vars": [["arg_a", "=", "1"]]});
        assert_eq!(with(wrong), "failed to validate the 'vars' expression: invalid operator '='");
        let wrong = with(json!({"vars": "x"}));
        assert!(
            wrong.ends_with("property \"vars\" validation failed: wrong type: expected array, got string"),
            "{wrong}"
        );
    }

    #[test]
    fn weights_and_their_number_are_bounded() {
        let inside = "property \"rules\" validation failed: failed to validate item 1: property \
                      \"weighted_upstreams\" validation failed: ";
        let item = "failed to validate item 1: property \"weight\" validation failed: ";
        assert_eq!(
            text(choice(json!({"weight": -1}))),
            format!("{inside}{item}expected -1 to be at least 0")
        );
        let half = text(choice(json!({"weight": 0.5})));
        assert_eq!(half, format!("{inside}{item}wrong type: expected integer, got number"));
        let none = text(json!({"rules": [{"weighted_upstreams": []}]}));
        assert_eq!(none, format!("{inside}expect array to have at least 1 items"));
        let many = text(json!({"rules": [{"weighted_upstreams": vec![json!({}); 21]}]}));
        assert_eq!(many, format!("{inside}expect array to have at most 20 items"));
    }

    #[test]
    fn inline_upstreams_are_whole_upstreams() {
        let wrong = text(choice(json!({"upstream": {"type": "roundrobin"}})));
        let expected =
            "property \"upstream\" validation failed: value should match only one schema, but matches none";
        assert!(wrong.ends_with(expected), "{wrong}");
        assert_eq!(text(choice(json!({"upstream": {"nodes": {"a:0": 1}}}))), "invalid port 0");
        assert_eq!(text(choice(json!({"upstream": {"nodes": {}, "type": "chash"}}))), "missing key");
        let id = text(choice(json!({"upstream_id": "a b"})));
        assert!(
            id.ends_with("property \"upstream_id\" validation failed: object matches none of the required"),
            "{id}"
        );
    }

    #[test]
    fn a_disabled_configuration_may_be_wrong() {
        assert_eq!(checked(json!({"rules": 3, "_meta": {"disable": true}})), Ok(()));
    }

    #[test]
    fn a_rule_without_choices_gets_the_default_one() {
        let schema = CompiledSchema::new(&super::schema());
        let filled = schema.with_defaults(&json!({"rules": [{}]})).unwrap();
        assert_eq!(filled, json!({"rules": [{"weighted_upstreams": [{"weight": 1}]}]}));
    }
}
