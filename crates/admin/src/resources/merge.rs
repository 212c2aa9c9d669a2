//! What a PATCH does to a value (APISIX §1.5). Pure.

use serde_json::{Map, Value};

/// Merges an object into a value, recursively: `null` deletes the key; where either side is an array, it is replaced
/// whole; an object merges into an object, so that a new node is added to `nodes`, not put in its place.
pub(crate) fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, new) in patch {
        match (target.get_mut(key), new) {
            (_, Value::Null) => {
                target.shift_remove(key);
            }
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => {
                target.insert(key.clone(), without_nulls(new));
            }
        }
    }
}

/// A new object has nothing that a `null` in it could delete.
fn without_nulls(value: &Value) -> Value {
    let Value::Object(object) = value else { return value.clone() };
    let kept = object.iter().filter(|(_, value)| !value.is_null());
    Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
}

/// Replaces what stands at a sub-path by any JSON; missing parents are made. A `null` is put there as it is, so that
/// the check refuses it.
///
/// # Errors
/// `invalid sub-path: /a/b` when a parent is no object.
pub(crate) fn replace_at(target: &mut Value, sub_path: &[String], new: Value) -> Result<(), String> {
    let Some((last, parents)) = sub_path.split_last() else {
        *target = new;
        return Ok(());
    };
    let mut place = target;
    for (depth, name) in parents.iter().enumerate() {
        let object = place.as_object_mut().ok_or_else(|| invalid(sub_path, depth))?;
        place = object.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new()));
    }
    let object = place.as_object_mut().ok_or_else(|| invalid(sub_path, parents.len()))?;
    object.insert(last.clone(), new);
    Ok(())
}

fn invalid(sub_path: &[String], depth: usize) -> String {
    format!("invalid sub-path: /{}", sub_path.get(..depth).unwrap_or(sub_path).join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn merged(mut target: Value, patch: &Value) -> Value {
        merge(target.as_object_mut().unwrap(), patch.as_object().unwrap());
        target
    }

    #[test]
    fn nodes_are_added_unless_the_old_one_is_nulled() {
        let old = json!({"upstream": {"nodes": {"a:1": 1}, "type": "roundrobin"}, "desc": "x"});
        let patch = json!({"upstream": {"nodes": {"b:1": 1}}});
        assert_eq!(merged(old.clone(), &patch)["upstream"]["nodes"], json!({"a:1": 1, "b:1": 1}));
        let patch = json!({"upstream": {"nodes": {"a:1": null, "b:1": 1}}, "desc": null});
        assert_eq!(merged(old, &patch), json!({"upstream": {"nodes": {"b:1": 1}, "type": "roundrobin"}}));
    }

    #[test]
    fn an_array_on_either_side_is_replaced_whole() {
        let list = json!([{"host": "b", "port": 1, "weight": 1}]);
        for old in [json!({"a:1": 1}), json!([{"host": "a"}, {"host": "c"}])] {
            assert_eq!(merged(json!({"nodes": old}), &json!({"nodes": list}))["nodes"], list);
        }
        assert_eq!(merged(json!({"nodes": [1]}), &json!({"nodes": {"a:1": 1}}))["nodes"], json!({"a:1": 1}));
    }

    #[test]
    fn a_sub_path_is_replaced_and_its_missing_parents_are_made() {
        let at = |path: &[&str], mut value: Value, new: Value| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            replace_at(&mut value, &path, new).map(|()| value)
        };
        let old = json!({"upstream": {"nodes": {"a:1": 1}}, "uris": ["/x"]});
        let replaced = at(&["upstream", "nodes"], old.clone(), json!({"b:1": 1})).unwrap();
        assert_eq!(replaced["upstream"]["nodes"], json!({"b:1": 1}));
        let made = at(&["plugins", "cors"], old.clone(), json!({})).unwrap();
        assert_eq!(made["plugins"], json!({"cors": {}}));
        assert_eq!(at(&["desc"], old.clone(), Value::Null).unwrap()["desc"], Value::Null);
        assert_eq!(at(&["uris", "0"], old.clone(), json!("/y")).unwrap_err(), "invalid sub-path: /uris");
        let deep = at(&["upstream", "nodes", "a:1", "x", "y"], old, json!(1)).unwrap_err();
        assert_eq!(deep, "invalid sub-path: /upstream/nodes/a:1");
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-c]", json_value(), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(old in object(), patch in object()) {
            let once = merged(old, &patch);
            prop_assert_eq!(merged(once.clone(), &patch), once);
        }

        #[test]
        fn a_replaced_sub_path_holds_the_new_value(mut old in json_value(), path in prop::collection::vec("[a-c]", 1..4), new in json_value()) {
            if replace_at(&mut old, &path, new.clone()).is_ok() {
                prop_assert_eq!(old.pointer(&format!("/{}", path.join("/"))), Some(&new));
            }
        }
    }
}
