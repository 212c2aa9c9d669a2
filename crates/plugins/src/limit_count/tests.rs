use crate::ALL;
use model::resource::Kind;
use serde_json::{Value, json};

fn checked(conf: Value) -> Result<(), String> {
    let service = json!({"plugins": {"limit-count": conf}});
    let prefix = "failed to check the configuration of plugin limit-count err: ";
    let text = |text: String| text.strip_prefix(prefix).map(str::to_owned).unwrap_or(text);
    model::check::check(Kind::Service, &service, ALL).map_err(|error| text(error.text))
}

#[test]
fn a_count_and_a_window_are_needed_or_a_list_of_rules() {
    for conf in [
        json!({"count": 1, "time_window": 60}),
        json!({"count": "$http_x_count", "time_window": "60", "key": "server_addr", "key_type": "var"}),
        json!({"count": 1, "time_window": 60, "policy": "local", "group": "g", "window_type": "sliding", "rejected_code": 429, "rejected_msg": "no", "allow_degradation": true, "show_limit_quota_header": false}),
        json!({"rules": [{"count": 1, "time_window": 60, "key": "$remote_addr", "header_prefix": "a"}]}),
    ] {
        assert_eq!(checked(conf.clone()), Ok(()), "{conf}");
    }
    let neither = "value should match only one schema, but matches none";
    let both = "value should match only one schema, but matches both schemas 1 and 2";
    for (conf, text) in [
        (json!({}), neither),
        (json!({"count": 1}), neither),
        (json!({"count": 1, "time_window": 60, "rules": []}), both),
    ] {
        assert_eq!(checked(conf.clone()), Err(text.to_owned()), "{conf}");
    }
    for (conf, start) in [
        (
            json!({"count": 0, "time_window": 60}),
            "property \"count\" validation failed: value should match only one",
        ),
        (
            json!({"count": 1, "time_window": 1.5}),
            "property \"time_window\" validation failed: value should match only one",
        ),
        (
            json!({"count": 1, "time_window": 60, "key_type": "x"}),
            "property \"key_type\" validation failed: matches none of the enum",
        ),
        (
            json!({"count": 1, "time_window": 60, "rejected_code": 199}),
            "property \"rejected_code\" validation failed: expected 199 to be at least 200",
        ),
        (
            json!({"count": 1, "time_window": 60, "rejected_msg": ""}),
            "property \"rejected_msg\" validation failed: string too short",
        ),
        (
            json!({"rules": [{"count": 1, "key": "k"}]}),
            "property \"rules\" validation failed: failed to validate item 1: property \"time_window\" is required",
        ),
    ] {
        let text = checked(conf.clone()).unwrap_err();
        assert!(text.starts_with(start), "{conf}: {text}");
    }
}

#[test]
fn an_amount_out_of_its_range_is_refused_by_name() {
    let conf = |count: &Value, window: &Value| checked(json!({"count": count, "time_window": window}));
    let count = "property \"count\" must be a whole number from 1 to 9007199254740991";
    let window = "property \"time_window\" must be a whole number from 1 to 4294967295";
    for right in [json!(9_007_199_254_740_991_u64), json!("9007199254740991"), json!("$http_x"), json!(1.0)] {
        assert_eq!(conf(&right, &json!(4_294_967_295_u64)), Ok(()), "{right}");
    }
    for wrong in [json!(1e300), json!(9_007_199_254_740_992_u64), json!(u64::MAX), json!("0"), json!("many")]
    {
        assert_eq!(conf(&wrong, &json!(60)), Err(count.to_owned()), "{wrong}");
    }
    for wrong in [json!(1e300), json!(4_294_967_296_u64), json!("1.5"), json!("-1"), json!("")] {
        assert_eq!(conf(&json!(1), &wrong), Err(window.to_owned()), "{wrong}");
    }
    let rule = json!({"count": 1, "time_window": 1e300, "key": "$a"});
    let text = checked(json!({"rules": [rule]})).unwrap_err();
    assert_eq!(text, window.replace("time_window", "rules[1].time_window"));
}

#[test]
fn what_would_not_be_counted_is_refused_and_not_ignored() {
    for policy in ["redis", "redis-cluster", "redis-sentinel"] {
        let text = checked(json!({"count": 1, "time_window": 60, "policy": policy})).unwrap_err();
        assert_eq!(
            text,
            format!(
                "policy \"{policy}\" is not there: this gateway counts in its own process, use \"local\""
            )
        );
    }
    let rule =
        |key: &str, prefix: &str| json!({"count": 1, "time_window": 1, "key": key, "header_prefix": prefix});
    let twice = checked(json!({"rules": [rule("$a", "x"), rule("$b", "y"), rule("$a", "z")]}));
    assert_eq!(twice, Err("duplicate key '$a' in rules".to_owned()));
    let prefix = checked(json!({"rules": [rule("$a", "a b")]}));
    assert_eq!(prefix, Err("header_prefix 'a b' cannot be part of a header's name".to_owned()));
}
