//! The texts of api7/jsonschema, form by form, and the laws that must hold for any input.

use super::*;
use proptest::prelude::*;

fn text(schema: Value, value: Value) -> String {
    validate(&schema, &value).unwrap_err().text
}

fn fits(schema: Value, value: Value) -> bool {
    validate(&schema, &value).is_ok()
}

#[test]
fn wrong_types_are_told_with_luas_names() {
    for (name, value, expected) in [
        ("string", json!(1), "wrong type: expected string, got number"),
        ("integer", json!(1.5), "wrong type: expected integer, got number"),
        ("object", json!([1]), "wrong type: expected object, got table"),
        ("array", json!({"a": 1}), "wrong type: expected array, got table"),
        ("boolean", json!("x"), "wrong type: expected boolean, got string"),
        ("string", json!(null), "wrong type: expected string, got userdata"),
        ("number", json!(true), "wrong type: expected number, got boolean"),
    ] {
        assert_eq!(text(json!({"type": name}), value), expected);
    }
    let either = json!({"type": ["string", "number"]});
    assert_eq!(text(either, json!([])), "wrong type: expected one of string, number, got table");
}

#[test]
fn one_point_zero_is_an_integer_and_empty_tables_are_both() {
    assert!(fits(json!({"type": "integer"}), json!(1.0)));
    assert!(fits(json!({"type": "object"}), json!([])));
    assert!(fits(json!({"type": "array"}), json!({})));
    assert!(fits(json!({"type": "table"}), json!([1])));
    assert_eq!(
        text(json!({"type": "array", "minItems": 1}), json!({})),
        "expect array to have at least 1 items"
    );
    assert_eq!(text(json!({"type": "object", "required": ["a"]}), json!([])), "property \"a\" is required");
}

#[test]
fn properties_are_checked_in_the_schemas_order_and_nest_their_texts() {
    let schema = json!({
        "properties": {"a": {"type": "string"}, "b": {"properties": {"c": {"minimum": 1}}}},
        "required": ["b", "z"],
    });
    assert_eq!(
        text(schema.clone(), json!({"a": 1})),
        "property \"a\" validation failed: wrong type: expected string, got number"
    );
    assert_eq!(text(schema.clone(), json!({"a": "x"})), "property \"b\" is required");
    assert_eq!(text(schema.clone(), json!({"b": {}})), "property \"z\" is required");
    let error = validate(&schema, &json!({"b": {"c": -100}, "z": 1})).unwrap_err();
    assert_eq!(
        error.text,
        "property \"b\" validation failed: property \"c\" validation failed: expected -100 to be at least 1"
    );
    assert_eq!(error.pointer, "/b/c");
}

#[test]
fn unknown_properties_are_named() {
    let schema = json!({"properties": {"a": {}}, "additionalProperties": false});
    let error = validate(&schema, &json!({"a": 1, "x/y": 2})).unwrap_err();
    assert_eq!(
        (error.text.as_str(), error.pointer.as_str()),
        ("additional properties forbidden, found x/y", "/x~1y")
    );
    let schema = json!({"additionalProperties": {"type": "string"}});
    let expected = "failed to validate additional property x: wrong type: expected string, got number";
    assert_eq!(text(schema, json!({"x": 1})), expected);
}

#[test]
fn pattern_properties_name_the_key_and_the_pattern() {
    let schema = json!({"patternProperties": {".*": {"type": "string"}}, "additionalProperties": false});
    assert!(fits(schema.clone(), json!({"env": "x"})));
    let expected = "failed to validate env (matching \".*\"): wrong type: expected string, got number";
    assert_eq!(text(schema, json!({"env": 1})), expected);
    let schema = json!({"patternProperties": {"^a": {}}, "additionalProperties": false});
    assert_eq!(text(schema, json!({"ab": 1, "b": 1})), "additional properties forbidden, found b");
}

#[test]
fn counts_of_properties_and_items_are_bounded() {
    assert_eq!(text(json!({"minProperties": 1}), json!({})), "expect object to have at least 1 properties");
    assert_eq!(
        text(json!({"maxProperties": 1}), json!({"a": 1, "b": 1})),
        "expect object to have at most 1 properties"
    );
    assert_eq!(text(json!({"maxItems": 1}), json!([1, 2])), "expect array to have at most 1 items");
}

#[test]
fn items_are_counted_from_one() {
    let error = validate(&json!({"items": {"type": "string"}}), &json!(["a", 2])).unwrap_err();
    assert_eq!(error.text, "failed to validate item 2: wrong type: expected string, got number");
    assert_eq!(error.pointer, "/1");
}

#[test]
fn equal_items_are_found() {
    let schema = json!({"uniqueItems": true});
    assert!(fits(schema.clone(), json!([1, "1", true, null, [], [1], {"a": 1}])));
    assert_eq!(text(schema.clone(), json!([2, 1, 1.0])), "expected unique items but items 2 and 3 are equal");
    assert_eq!(
        text(schema.clone(), json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}])),
        "expected unique items but items 1 and 2 are equal"
    );
    assert_eq!(text(schema, json!([[], {}])), "expected unique items but items 1 and 2 are equal");
}

#[test]
fn texts_are_measured_in_characters_and_matched() {
    assert_eq!(text(json!({"minLength": 1}), json!("")), "string too short, expected at least 1, got 0");
    assert_eq!(text(json!({"maxLength": 2}), json!("äöü")), "string too long, expected at most 2, got 3");
    assert!(fits(json!({"maxLength": 3}), json!("äöü")));
    let expected = "failed to match pattern \"^\\\\S+$\" with \"a b\"";
    assert_eq!(text(json!({"pattern": "^\\S+$"}), json!("a b")), expected);
}

#[test]
fn numbers_are_bounded() {
    assert_eq!(text(json!({"maximum": 65535}), json!(65536)), "expected 65536 to be at most 65535");
    assert_eq!(text(json!({"exclusiveMinimum": 0}), json!(0)), "expected 0 to be greater than 0");
    assert_eq!(text(json!({"exclusiveMaximum": 1}), json!(1.5)), "expected 1.5 to be smaller than 1");
}

#[test]
fn values_are_compared_as_lua_compares() {
    assert!(fits(json!({"enum": [1, 0]}), json!(1.0)));
    assert_eq!(text(json!({"enum": ["a"]}), json!("b")), "matches none of the enum values");
    assert_eq!(text(json!({"const": 1}), json!(2)), "failed to check const value");
}

#[test]
fn alternatives_have_their_texts() {
    let required = json!({"anyOf": [{"required": ["a"]}, {"required": ["a", "b"]}]});
    assert_eq!(text(required, json!({})), "object matches none of the required: [\"a\"] or [\"a\",\"b\"]");
    assert_eq!(text(json!({"anyOf": [{"type": "string"}]}), json!(1)), "object matches none of the required");
    let one_of = json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert_eq!(text(one_of.clone(), json!({})), "value should match only one schema, but matches none");
    assert_eq!(
        text(one_of, json!({"a": 1, "b": 1})),
        "value should match only one schema, but matches both schemas 1 and 2"
    );
    assert_eq!(
        text(json!({"allOf": [{}, {"required": ["a"]}]}), json!({})),
        "allOf 2 failed: property \"a\" is required"
    );
    assert_eq!(text(json!({"not": {"type": "string"}}), json!("x")), "value wasn't supposed to match schema");
}

#[test]
fn conditions_and_dependencies_have_their_texts() {
    let schema = json!({"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}, "else": {"required": ["c"]}});
    assert_eq!(text(schema.clone(), json!({"a": 1})), "then clause did not match");
    assert_eq!(text(schema.clone(), json!({"a": 2})), "else clause did not match");
    assert!(fits(schema, json!({"a": 2, "c": 1})));
    let schema =
        json!({"properties": {"a": {}}, "dependencies": {"a": {"not": {"required": ["c"]}}, "b": ["c"]}});
    assert_eq!(
        text(schema.clone(), json!({"a": 1, "c": 1})),
        "failed to validate dependent schema for \"a\": value wasn't supposed to match schema"
    );
    assert_eq!(text(schema, json!({"b": 1})), "property \"c\" is required when \"b\" is set");
}

#[test]
fn defaults_are_filled_in_before_conditions_look() {
    let schema = CompiledSchema::new(&json!({
        "properties": {"policy": {"enum": ["local", "redis"], "default": "local"}},
        "if": {"properties": {"policy": {"enum": ["redis"]}}},
        "then": {"required": ["redis_host"]},
    }));
    assert_eq!(schema.with_defaults(&json!({})).unwrap(), json!({"policy": "local"}));
    assert_eq!(schema.with_defaults(&json!([])).unwrap(), json!({"policy": "local"}));
    assert!(schema.validate(&json!({"policy": "redis"})).is_err());
}

#[test]
fn formats_know_addresses() {
    assert!(fits(json!({"format": "ipv4"}), json!("1.2.3.4")));
    assert_eq!(
        text(json!({"format": "ipv6"}), json!("1.2.3.4")),
        "expect valid ipv6 address but got: 1.2.3.4"
    );
}

#[test]
fn the_deepest_complaint_of_an_alternative_is_pointed_at() {
    let error = compiled(Kind::Upstream)
        .unwrap()
        .validate(&json!({"nodes": [{"host": "a", "port": 65536, "weight": 1}]}));
    let error = error.unwrap_err();
    assert_eq!(error.text, "property \"nodes\" validation failed: object matches none of the required");
    assert_eq!(error.pointer, "/nodes/0/port");
}

#[test]
fn our_schemas_have_no_defects() {
    for kind in Kind::ALL {
        for schema in [compiled(kind), compiled_api7(kind)].into_iter().flatten() {
            assert_eq!(schema.defects(), <[String; 0]>::default(), "{kind:?}");
        }
    }
    let broken = CompiledSchema::new(&json!({"properties": {"a": {"pattern": "(", "minimun": 1}}}));
    assert_eq!(broken.defects().len(), 2, "{:?}", broken.defects());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.:\\[\\]*\"\\\\/ -]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop::sample::select(vec![
            "uri",
            "uris",
            "host",
            "hosts",
            "nodes",
            "upstream",
            "weight",
            "port",
            "plugins",
            "vars",
            "timeout",
            "type",
            "checks",
            "active",
            "passive",
            "labels",
            "id",
            "tls",
            "client_cert",
            "paths",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_the_walk_panic_and_errors_point_into_the_value(value in any_json()) {
        for kind in [Kind::Route, Kind::Service, Kind::Upstream] {
            for schema in [compiled(kind), compiled_api7(kind)].into_iter().flatten() {
                if let Err(error) = schema.validate(&value) {
                    prop_assert!(value.pointer(&error.pointer).is_some(), "{} in {value}", error.pointer);
                    prop_assert!(!error.text.is_empty());
                }
            }
        }
    }

    #[test]
    fn filling_in_defaults_twice_changes_nothing(active in any_json(), weight in 0u32..9) {
        let schema = compiled(Kind::Upstream).unwrap();
        let value = json!({"nodes": {"a:1": weight}, "keepalive_pool": {}, "checks": {"active": {"healthy": active}}});
        if let Ok(once) = schema.with_defaults(&value) {
            prop_assert_eq!(&once["keepalive_pool"]["size"], &json!(320));
            prop_assert_eq!(schema.with_defaults(&once).unwrap(), once);
        }
    }
}
