//! Resources that APISIX refuses, with its texts.

use super::*;
use crate::plugin::AuthInfo;
use serde_json::json;

const PLUGINS: [PluginInfo; 3] = [
    PluginInfo::new(
        "auth",
        2,
        || json!({"type": "object", "properties": {"header": {"type": "string"}}}),
        |_| Ok(()),
    )
    .authenticating(AuthInfo {
        schema: || json!({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"], "additionalProperties": false}),
        key: "key",
        sealed: &["key"],
    }),
    PluginInfo::new(
        "limit",
        1,
        || json!({"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}, "required": ["count"], "additionalProperties": false}),
        |conf| if conf["count"] == 13 { Err("bad luck".to_owned()) } else { Ok(()) },
    ),
    PluginInfo::new("traffic-split", 0, || json!({"type": "object"}), |_| Ok(())),
];

fn refusal(kind: Kind, value: Value) -> (String, String) {
    let error = check(kind, &value, &PLUGINS).unwrap_err();
    (error.text, error.pointer.unwrap_or_default())
}

fn route(more: Value) -> Value {
    let mut route = json!({"uri": "/x", "upstream": {"nodes": {"a:80": 1}}});
    for (key, value) in more.as_object().unwrap() {
        route[key] = value.clone();
    }
    route
}

fn upstream_text(value: Value) -> String {
    refusal(Kind::Upstream, value).0
}

#[test]
fn plain_resources_pass() {
    check(
        Kind::Route,
        &route(json!({"vars": [["arg_a", "==", "1"]], "plugins": {"limit": {"count": 1}}})),
        &PLUGINS,
    )
    .unwrap();
    check(Kind::Service, &json!({}), &PLUGINS).unwrap();
    for nodes in [
        json!({}),
        json!([]),
        json!({"[::1]:80": 0, "[::1]": 1, "a": 1}),
        json!([{"host": "[::1]", "port": 1.0, "weight": 1}]),
    ] {
        check(Kind::Upstream, &json!({"nodes": nodes}), &PLUGINS).unwrap();
    }
    check(Kind::Upstream, &json!({"service_name": "s", "discovery_type": "dns"}), &PLUGINS).unwrap();
}

#[test]
fn a_route_says_where_it_is_and_where_it_goes() {
    let (text, _) = refusal(Kind::Route, json!({"upstream_id": 1}));
    assert_eq!(
        text,
        "invalid configuration: allOf 1 failed: value should match only one schema, but matches none"
    );
    let (text, _) = refusal(Kind::Route, json!({"uri": "/x", "uris": ["/y"], "upstream_id": 1}));
    assert_eq!(
        text,
        "invalid configuration: allOf 1 failed: value should match only one schema, but matches both schemas 1 and 2"
    );
    let (text, _) = refusal(Kind::Route, json!({"uri": "/x"}));
    assert!(
        text.starts_with(
            "invalid configuration: object matches none of the required: [\"plugins\",\"uri\"] or"
        ),
        "{text}"
    );
}

#[test]
fn one_or_many_not_both() {
    let (text, pointer) = refusal(Kind::Route, route(json!({"host": "a", "hosts": ["b"]})));
    assert_eq!((text.as_str(), pointer.as_str()), ("only one of host or hosts is allowed", "/hosts"));
    let (text, _) = refusal(Kind::Route, route(json!({"remote_addr": "::1", "remote_addrs": ["::1"]})));
    assert_eq!(text, "only one of remote_addr or remote_addrs is allowed");
}

#[test]
fn the_schema_speaks_first() {
    let (text, pointer) = refusal(Kind::Route, route(json!({"paths": ["/a"]})));
    assert_eq!(text, "invalid configuration: additional properties forbidden, found paths");
    assert_eq!(pointer, "/paths");
    let (text, _) = refusal(Kind::Route, route(json!({"id": "a b"})));
    assert_eq!(
        text,
        "invalid configuration: property \"id\" validation failed: object matches none of the required"
    );
    let (text, pointer) = refusal(Kind::Upstream, json!({"nodes": {"a:80": -100}}));
    assert_eq!(
        text,
        "invalid configuration: property \"nodes\" validation failed: object matches none of the required"
    );
    assert_eq!(pointer, "/nodes/a:80");
}

#[test]
fn addresses_must_be_addresses() {
    check(
        Kind::Route,
        &route(json!({"remote_addrs": ["127.0.0.1", "192.0.0.1/8", "::1", "fe80::/32"]})),
        &[],
    )
    .unwrap();
    let (text, pointer) = refusal(Kind::Route, route(json!({"remote_addrs": ["::1", "::/129"]})));
    assert_eq!((text.as_str(), pointer.as_str()), ("invalid ip address: ::/129", "/remote_addrs/1"));
    let (text, _) = refusal(Kind::Route, route(json!({"remote_addr": "1.2.3.4/33"})));
    assert_eq!(
        text,
        "invalid configuration: property \"remote_addr\" validation failed: object matches none of the required"
    );
}

#[test]
fn node_addresses_have_ports_and_brackets() {
    for (node, expected) in [
        ("127.0.0.1:65536", "invalid port 65536"),
        ("127.0.0.1:0", "invalid port 0"),
        ("a:http", "invalid port http"),
        ("a:+1", "invalid port +1"),
        ("a:", "invalid port "),
        ("::1", "IPv6 address must be enclosed with '[' and ']'"),
        ("[::1]80", "invalid host [::1]80"),
        ("[::1", "invalid host [::1"),
        ("[1.2.3.4]:80", "invalid host [1.2.3.4]"),
        (":80", "invalid host: it is empty"),
    ] {
        assert_eq!(upstream_text(json!({"nodes": {node: 1}})), expected, "{node}");
    }
    let (text, pointer) =
        refusal(Kind::Upstream, json!({"nodes": [{"host": "::1", "port": 80, "weight": 1}]}));
    assert_eq!(text, "IPv6 address must be enclosed with '[' and ']'");
    assert_eq!(pointer, "/nodes/0/host");
}

#[test]
fn chash_needs_a_key_that_fits_where_it_hashes() {
    let with = |more: Value| {
        let mut upstream = json!({"nodes": {"a:80": 1}, "type": "chash"});
        upstream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check(Kind::Upstream, &upstream, &[]).map_err(|error| error.text)
    };
    assert_eq!(with(json!({})).unwrap_err(), "missing key");
    assert!(with(json!({"key": "arg_user"})).is_ok());
    assert!(with(json!({"hash_on": "consumer"})).is_ok());
    assert!(with(json!({"hash_on": "vars_combinations", "key": "$host$remote_addr"})).is_ok());
    assert!(with(json!({"hash_on": "header", "key": "X-User"})).is_ok());
    assert!(
        with(json!({"key": "http_x"}))
            .unwrap_err()
            .starts_with("invalid configuration: failed to match pattern \"^(uri|")
    );
    assert!(with(json!({"hash_on": "cookie", "key": "a b"})).is_err());
}

#[test]
fn a_scheme_that_is_not_spoken_is_refused_and_not_taken_for_http() {
    for scheme in ["tcp", "tls", "udp", "kafka"] {
        let upstream = json!({"nodes": {"a:80": 1}, "scheme": scheme});
        let text =
            format!("scheme \"{scheme}\" is not spoken by this gateway: use http, https, grpc or grpcs");
        assert_eq!(upstream_text(upstream.clone()), text);
        let error = check(Kind::Route, &json!({"uri": "/", "upstream": upstream}), &[]).unwrap_err();
        assert_eq!((error.pointer.as_deref(), error.text), (Some("/upstream/scheme"), text));
    }
}

#[test]
fn upstreams_say_what_they_need() {
    let text = upstream_text(json!({"nodes": {}, "pass_host": "rewrite"}));
    assert_eq!(text, "`upstream_host` can't be empty when `pass_host` is `rewrite`");
    assert_eq!(
        upstream_text(json!({"type": "roundrobin"})),
        "invalid configuration: value should match only one schema, but matches none"
    );
    assert_eq!(
        upstream_text(json!({"nodes": {}, "checks": {"passive": {}}})),
        "invalid configuration: property \"checks\" validation failed: object matches none of the required: \
         [\"active\"] or [\"active\",\"passive\"]"
    );
}

#[test]
fn inline_upstreams_are_checked_in_place() {
    for kind in [Kind::Route, Kind::Service] {
        let mut value = json!({"upstream": {"nodes": {"a:0": 1}}});
        if kind == Kind::Route {
            value["uri"] = json!("/");
        }
        let (text, pointer) = refusal(kind, value);
        assert_eq!((text.as_str(), pointer.as_str()), ("invalid port 0", "/upstream/nodes/a:0"));
    }
}

#[test]
fn expressions_are_checked() {
    let (text, pointer) = refusal(Kind::Route, route(json!({"vars": ["arg_a", "==", "1"]})));
    assert_eq!(text, "failed to validate the 'vars' expression: rule should be wrapped inside brackets");
    assert_eq!(pointer, "/vars");
    let (text, _) = refusal(Kind::Route, route(json!({"vars": [["arg_a", "~~", "("]]})));
    assert!(
        text.starts_with("failed to validate the 'vars' expression: the pattern \"(\" does not compile:"),
        "{text}"
    );
}

#[test]
fn lua_is_refused_and_not_ignored() {
    let (text, _) = refusal(Kind::Route, route(json!({"filter_func": "function(vars) return true end"})));
    assert_eq!(
        text,
        "`filter_func` is Lua, which this gateway does not run: use `vars` to match on variables of the request"
    );
    let (text, _) = refusal(Kind::Service, json!({"script": "return {} -- nothing"}));
    assert_eq!(text, "`script` is Lua, which this gateway does not run: use plugins");
    let (_, pointer) = refusal(Kind::Route, route(json!({"script_id": "1"})));
    assert_eq!(pointer, "/script_id");
}

#[test]
fn plugins_are_known_and_configured_right() {
    let plugins = |plugins: Value| refusal(Kind::Service, json!({"plugins": plugins}));
    assert_eq!(plugins(json!({"nope": {}})).0, "unknown plugin [nope]");
    assert_eq!(plugins(json!({"limit": 3})).0, "invalid plugin conf 3 for plugin [limit]");
    let failed = "failed to check the configuration of plugin limit err: ";
    assert_eq!(plugins(json!({"limit": {}})).0, format!("{failed}property \"count\" is required"));
    assert_eq!(
        plugins(json!({"limit": {"count": 0}})),
        (
            format!("{failed}property \"count\" validation failed: expected 0 to be at least 1"),
            "/plugins/limit/count".to_owned()
        )
    );
    assert_eq!(plugins(json!({"limit": {"count": 13}})).0, format!("{failed}bad luck"));
}

#[test]
fn meta_is_allowed_everywhere_and_checked() {
    let service = |conf: Value| check(Kind::Service, &json!({"plugins": {"limit": conf}}), &PLUGINS);
    service(json!({"count": 1, "_meta": {"priority": 3, "error_response": {"message": "no"}, "filter": [["arg_a", "1"]]}})).unwrap();
    service(json!({"wrong": 1, "_meta": {"disable": true}})).unwrap();
    let failed = "failed to check the configuration of plugin limit err: ";
    let text = |conf: Value| service(conf).unwrap_err().text;
    assert_eq!(
        text(json!({"_meta": false})),
        format!("{failed}property \"_meta\" validation failed: wrong type: expected object, got boolean")
    );
    assert_eq!(
        text(json!({"_meta": {"filter": "x"}})),
        format!(
            "{failed}property \"_meta\" validation failed: property \"filter\" validation failed: wrong type: expected array, got string"
        )
    );
    assert_eq!(
        text(json!({"_meta": {"filter": [["arg_name", "*=", "json"]]}})),
        "failed to validate the 'vars' expression: invalid operator '*='"
    );
}

#[test]
fn only_the_gateway_writes_times() {
    let refused = |value: Value| check_forbidden(&value).unwrap_err();
    assert_eq!(refused(json!({"create_time": 1})).text, "the property is forbidden:  create_time");
    let error = refused(json!({"upstream": {"update_time": 1}}));
    assert_eq!(error.text, "the property is forbidden:  upstream.update_time");
    assert_eq!(error.pointer.unwrap(), "/upstream/update_time");
    assert_eq!(
        refused(json!({"plugins": {"create_time": {}}})).text,
        "the property is forbidden:  plugins.create_time"
    );
    check_forbidden(&json!({"upstream": {}, "plugins": []})).unwrap();
}

#[test]
fn ids_are_short_and_plain() {
    assert!(is_id("a-B_9."));
    assert!(is_id(&"x".repeat(64)));
    for id in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
        assert!(check_id(id).is_err(), "{id}");
    }
}

#[test]
fn the_api7_dialect_has_paths_and_names() {
    let api7 =
        |kind, value: Value| check_in(Dialect::Api7, kind, &value, &PLUGINS).map_err(|error| error.text);
    let route = json!({"name": "r", "methods": ["GET"], "paths": ["/headers"], "service_id": "s"});
    api7(Kind::Route, route.clone()).unwrap();
    let required = "invalid configuration: property \"service_id\" is required";
    assert_eq!(api7(Kind::Route, json!({"paths": ["/"]})).unwrap_err(), required);
    let forbidden = "invalid configuration: additional properties forbidden, found uri";
    assert_eq!(
        api7(Kind::Route, json!({"paths": ["/"], "service_id": "s", "uri": "/"})).unwrap_err(),
        forbidden
    );
    api7(Kind::Service, json!({"name": "s", "upstream": {"nodes": [{"host": "a", "port": 443, "weight": 100}], "scheme": "https"}})).unwrap();
    assert_eq!(
        api7(Kind::Service, json!({})).unwrap_err(),
        "invalid configuration: property \"name\" is required"
    );
    assert!(api7(Kind::Service, json!({"name": "s", "upstream_id": "u"})).is_err());
    assert!(check(Kind::Route, &route, &PLUGINS).is_err());
}

#[test]
fn apps_are_checked_by_their_type_and_rules() {
    let app = json!({"id": "shop", "service_id": "shop", "target": {"process": {"command": ["shop"]}}});
    check(Kind::App, &app, &[]).unwrap();
    let mut stored = app.clone();
    stored["create_time"] = json!(1);
    stored["update_time"] = json!(2);
    check(Kind::App, &stored, &[]).unwrap();
    let mut wrong = app.clone();
    wrong["target"]["process"]["instances"] = json!(0);
    let (text, pointer) = refusal(Kind::App, wrong);
    assert!(text.starts_with("invalid configuration: /target/process/instances: "), "{text}");
    assert_eq!(pointer, "/target/process/instances");
    let mut unknown = app;
    unknown["realease"] = json!({});
    assert_eq!(refusal(Kind::App, unknown).1, "/realease");
}

#[test]
fn a_consumers_plugins_are_checked_as_what_they_say_of_it() {
    let consumer = |plugins: Value| json!({"username": "jack", "plugins": plugins});
    assert_eq!(
        check(Kind::Consumer, &consumer(json!({"auth": {"key": "k"}, "limit": {"count": 1}})), &PLUGINS),
        Ok(())
    );
    assert_eq!(
        check(Kind::Consumer, &consumer(json!({"auth": {"_meta": {"disable": true}}})), &PLUGINS),
        Ok(())
    );
    for (plugins, text) in [
        (
            json!({"auth": {"header": "x"}}),
            "invalid plugins configuration: failed to check the configuration of plugin auth err: property \"key\" is required",
        ),
        (
            json!({"limit": {}}),
            "invalid plugins configuration: failed to check the configuration of plugin limit err: property \"count\" is required",
        ),
        (json!({"x": {}}), "invalid plugins configuration: unknown plugin [x]"),
    ] {
        assert_eq!(refusal(Kind::Consumer, consumer(plugins)).0, text);
    }
    let (text, pointer) = refusal(Kind::Consumer, consumer(json!({"traffic-split": {}})));
    assert!(text.contains("put it on the service"), "{text}");
    assert_eq!(pointer, "/plugins/traffic-split");
}

#[test]
fn a_credential_is_of_one_plugin_that_authenticates() {
    assert_eq!(check(Kind::Credential, &json!({"plugins": {"auth": {"key": "k"}}}), &PLUGINS), Ok(()));
    assert_eq!(check(Kind::Credential, &json!({"id": "c"}), &PLUGINS), Ok(()));
    let text = "only supports auth type plugins in consumer credential";
    assert_eq!(
        refusal(Kind::Credential, json!({"plugins": {"limit": {"count": 1}}})),
        (text.to_owned(), "/plugins/limit".to_owned())
    );
}
