//! `create_time` and `update_time` (APISIX §1.4): integers, seconds since the Unix epoch.

use serde_json::{Map, Value};

/// Of a PUT or POST: created when its predecessor was, updated now.
pub(crate) fn stamp_whole(value: &mut Value, previous: Option<&Value>, now_s: i64) {
    let Some(object) = value.as_object_mut() else { return };
    let created = previous.and_then(|previous| previous.get("create_time")).cloned();
    object.insert("create_time".to_owned(), created.unwrap_or_else(|| now_s.into()));
    object.insert("update_time".to_owned(), now_s.into());
}

/// Of a PATCH: what the patch itself says of the times stays.
pub(crate) fn stamp_patched(value: &mut Value, patch: Option<&Map<String, Value>>, now_s: i64) {
    let Some(object) = value.as_object_mut() else { return };
    object.entry("create_time").or_insert_with(|| now_s.into());
    let says_updated =
        patch.is_some_and(|patch| patch.get("update_time").is_some_and(|time| !time.is_null()));
    if !says_updated {
        object.insert("update_time".to_owned(), now_s.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_put_keeps_the_time_of_creation() {
        let mut value = json!({"name": "n"});
        stamp_whole(&mut value, None, 100);
        assert_eq!(value, json!({"name": "n", "create_time": 100, "update_time": 100}));
        let mut next = json!({});
        stamp_whole(&mut next, Some(&value), 200);
        assert_eq!(next, json!({"create_time": 100, "update_time": 200}));
    }

    #[test]
    fn a_patch_may_say_the_times_itself() {
        let stamped = |patch: Value| {
            let mut value = json!({"create_time": 1, "update_time": 2});
            if let Some(time) = patch.get("update_time") {
                value["update_time"] = time.clone();
            }
            stamp_patched(&mut value, patch.as_object(), 9);
            value
        };
        assert_eq!(stamped(json!({})), json!({"create_time": 1, "update_time": 9}));
        assert_eq!(stamped(json!({"update_time": 5})), json!({"create_time": 1, "update_time": 5}));
    }
}
