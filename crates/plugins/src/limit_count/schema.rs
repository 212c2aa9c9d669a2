//! What a configuration of `limit-count` must look like (APISIX §4).

use serde_json::{Value, json};

/// The JSON schema.
pub(super) fn schema() -> Value {
    let amount = json!({"oneOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "string"}]});
    json!({
        "type": "object",
        "properties": {
            "count": amount,
            "time_window": amount,
            "window_type": {"type": "string", "enum": ["fixed", "sliding"], "default": "fixed"},
            "group": {"type": "string"},
            "key": {"type": "string", "default": "remote_addr"},
            "key_type": {"type": "string", "enum": ["var", "var_combination", "constant"], "default": "var"},
            "rejected_code": {"type": "integer", "minimum": 200, "maximum": 599, "default": 503},
            "rejected_msg": {"type": "string", "minLength": 1},
            "policy": {
                "type": "string",
                "enum": ["local", "redis", "redis-cluster", "redis-sentinel"],
                "default": "local",
            },
            "allow_degradation": {"type": "boolean", "default": false},
            "show_limit_quota_header": {"type": "boolean", "default": true},
            "rules": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "count": amount,
                        "time_window": amount,
                        "key": {"type": "string"},
                        "header_prefix": {"type": "string"},
                    },
                    "required": ["count", "time_window", "key"],
                },
            },
        },
        "oneOf": [{"required": ["count", "time_window"]}, {"required": ["rules"]}],
    })
}

/// Largest count: the largest whole number that every JSON reader keeps exactly (RFC 8259, section 6).
pub(super) const MAX_COUNT: u64 = (1 << 53) - 1;
/// Longest window, seconds: some 136 years.
pub(super) const MAX_WINDOW_S: u64 = u32::MAX as u64;

/// Checks what the schema cannot say.
pub(super) fn check(conf: &Value) -> Result<(), String> {
    let policy = conf.get("policy").and_then(Value::as_str).unwrap_or("local");
    if policy != "local" {
        return Err(format!(
            "policy \"{policy}\" is not there: this gateway counts in its own process, use \"local\""
        ));
    }
    check_amounts(conf, "")?;
    let rules = conf.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let key = |rule: &Value| rule.get("key").and_then(Value::as_str).map(str::to_owned);
    for (at, rule) in rules.iter().enumerate() {
        check_amounts(rule, &format!("rules[{}].", at + 1))?;
        if rules.iter().take(at).any(|earlier| earlier.get("key") == rule.get("key")) {
            return Err(format!("duplicate key '{}' in rules", key(rule).unwrap_or_default()));
        }
        let prefix = rule.get("header_prefix").and_then(Value::as_str).unwrap_or_default();
        if !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err(format!("header_prefix '{prefix}' cannot be part of a header's name"));
        }
    }
    Ok(())
}

/// A number that is out of range, or a text that can never be one, would refuse every request.
fn check_amounts(conf: &Value, place: &str) -> Result<(), String> {
    for (name, most) in [("count", MAX_COUNT), ("time_window", MAX_WINDOW_S)] {
        let in_range = |number: u64| (1..=most).contains(&number);
        let fits = match conf.get(name) {
            None => true,
            Some(Value::String(text)) if text.contains('$') => true,
            Some(Value::String(text)) => text.trim().parse().is_ok_and(in_range),
            Some(number) => model::upstream::as_integer(number)
                .and_then(|number| u64::try_from(number).ok())
                .is_some_and(in_range),
        };
        if !fits {
            return Err(format!("property \"{place}{name}\" must be a whole number from 1 to {most}"));
        }
    }
    Ok(())
}
