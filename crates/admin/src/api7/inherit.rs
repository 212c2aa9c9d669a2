//! What an inline upstream of a traffic-split takes over from the service's upstream on this listener.
//!
//! API7's own walkthrough switches to a Green upstream with port 443 and neither `scheme` nor `pass_host`. By APISIX's
//! rules that is clear text to a TLS port with the wrong `Host`. Green stands for the same service as Blue, so what it
//! leaves out is as with Blue; the answer says so in `warning_msg`. Pure.

use serde_json::Value;

/// Fills in what the inline upstreams of a route's or service's traffic-split leave out; gives one warning for each.
pub(crate) fn inherit(value: &mut Value, service_upstream: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let rules = value.pointer_mut("/plugins/traffic-split/rules").and_then(Value::as_array_mut);
    for (r, rule) in rules.into_iter().flatten().enumerate() {
        let choices = rule.get_mut("weighted_upstreams").and_then(Value::as_array_mut);
        for (c, choice) in choices.into_iter().flatten().enumerate() {
            let taken =
                choice.get_mut("upstream").map(|inline| fill(inline, service_upstream)).unwrap_or_default();
            if !taken.is_empty() {
                let place = format!("plugins.traffic-split.rules[{r}].weighted_upstreams[{c}].upstream");
                warnings.push(format!("{place}: {} taken from the service's upstream", taken.join(" and ")));
            }
        }
    }
    warnings
}

fn fill(inline: &mut Value, from: &Value) -> Vec<String> {
    let mut taken = Vec::new();
    let Some(inline) = inline.as_object_mut() else { return taken };
    for key in ["scheme", "pass_host"] {
        if let (false, Some(value)) = (inline.contains_key(key), from.get(key)) {
            inline.insert(key.to_owned(), value.clone());
            taken.push(format!("{key} {value}"));
            // `rewrite` is nothing without the host.
            if let (true, Some(host)) = (value == "rewrite", from.get("upstream_host")) {
                inline.entry("upstream_host").or_insert_with(|| host.clone());
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn split(upstream: &Value) -> Value {
        json!({"plugins": {"traffic-split": {"rules": [
            {"weighted_upstreams": [{"weight": 100, "upstream": upstream}, {"weight": 0}]}]}}})
    }

    #[test]
    fn green_takes_over_what_it_leaves_out_and_a_warning_says_so() {
        let blue = json!({"scheme": "https", "pass_host": "node", "nodes": []});
        let mut route = split(&json!({"nodes": [1]}));
        let warnings = inherit(&mut route, &blue);
        assert_eq!(route, split(&json!({"nodes": [1], "scheme": "https", "pass_host": "node"})));
        assert_eq!(
            warnings,
            [
                "plugins.traffic-split.rules[0].weighted_upstreams[0].upstream: scheme \"https\" and pass_host \"node\" \
              taken from the service's upstream"
            ]
        );
    }

    #[test]
    fn what_green_says_itself_stays() {
        let blue = json!({"scheme": "https", "pass_host": "rewrite", "upstream_host": "blue"});
        let mut route = split(&json!({"scheme": "http", "pass_host": "pass"}));
        assert!(inherit(&mut route, &blue).is_empty());
        assert_eq!(route, split(&json!({"scheme": "http", "pass_host": "pass"})));
        let mut route = split(&json!({"scheme": "http"}));
        assert_eq!(inherit(&mut route, &blue).len(), 1);
        assert_eq!(route, split(&json!({"scheme": "http", "pass_host": "rewrite", "upstream_host": "blue"})));
    }

    #[test]
    fn other_shapes_are_left_alone() {
        let blue = json!({"scheme": "https"});
        for value in [
            json!(null),
            json!({"plugins": []}),
            json!({"plugins": {"traffic-split": {"rules": {}}}}),
            split(&json!(7)),
        ] {
            let mut changed = value.clone();
            assert!(inherit(&mut changed, &blue).is_empty());
            assert_eq!(changed, value);
        }
    }
}
