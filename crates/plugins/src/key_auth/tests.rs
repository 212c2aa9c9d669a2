use super::{schema, without};
use crate::ALL;
use model::resource::Kind;
use serde_json::{Value, json};

fn checked(kind: Kind, conf: Value) -> Result<(), String> {
    let mut owner = json!({"plugins": {"key-auth": conf}});
    if kind == Kind::Consumer {
        owner["username"] = json!("jack");
    }
    model::check::check(kind, &owner, ALL).map_err(|error| error.text)
}

#[test]
fn arguments_of_the_name_are_taken_out_of_a_query() {
    for (query, rest) in [
        ("k=1", None),
        ("k", None),
        ("a=1&k=2", Some("a=1")),
        ("k=1&a&k=2&b=", Some("a&b=")),
        ("%6B=1&kk=2", Some("kk=2")),
        ("K=1", Some("K=1")),
        ("a=k", Some("a=k")),
    ] {
        assert_eq!(without(query, "k").as_deref(), rest, "{query}");
    }
    assert_eq!(without("a+b=1&a%20b=2&c", "a b").as_deref(), Some("c"));
}

#[test]
fn a_route_says_where_the_key_is_and_a_consumer_what_it_is() {
    assert_eq!(checked(Kind::Service, json!({})), Ok(()));
    assert_eq!(
        checked(
            Kind::Service,
            json!({"header": "x", "query": "y", "hide_credentials": true, "realm": "z", "anonymous_consumer": "a"})
        ),
        Ok(())
    );
    assert_eq!(checked(Kind::Consumer, json!({"key": "k"})), Ok(()));
    assert_eq!(checked(Kind::Credential, json!({"key": "k"})), Ok(()));
    let prefix = "failed to check the configuration of plugin key-auth err: ";
    let consumer = format!("invalid plugins configuration: {prefix}");
    for (kind, conf, text) in [
        (
            Kind::Service,
            json!({"header": 1}),
            format!("{prefix}property \"header\" validation failed: wrong type: expected string, got number"),
        ),
        (
            Kind::Service,
            json!({"header": "x\r\nHost"}),
            format!("{prefix}property \"header\" is not the name of a header: \"x\\r\\nHost\""),
        ),
        (
            Kind::Service,
            json!({"header": ""}),
            format!("{prefix}property \"header\" is not the name of a header: \"\""),
        ),
        (
            Kind::Service,
            json!({"realm": "a\r\nb"}),
            format!("{prefix}property \"realm\" has a control character"),
        ),
        (Kind::Consumer, json!({}), format!("{consumer}property \"key\" is required")),
        (
            Kind::Consumer,
            json!({"key": ""}),
            format!(
                "{consumer}property \"key\" validation failed: string too short, expected at least 1, got 0"
            ),
        ),
        (
            Kind::Credential,
            json!({"key": "k", "header": "x"}),
            format!("{consumer}additional properties forbidden, found header"),
        ),
    ] {
        assert_eq!(checked(kind, conf), Err(text));
    }
}

#[test]
fn a_quoted_text_ends_where_it_should() {
    assert_eq!(schema::quoted("a\"b\\c"), "a\\\"b\\\\c");
}
