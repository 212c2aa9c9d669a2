use super::*;
use model::resource::Kind;

#[test]
fn the_directory_of_a_relative_file_is_absolute() {
    let here = std::env::current_dir().unwrap();
    assert_eq!(base_dir(Path::new("tealgate.yaml")).unwrap(), here);
    assert_eq!(base_dir(Path::new("./etc/tealgate.yaml")).unwrap(), here.join("etc"));
}

const GOOD: &str = "\
listen: 127.0.0.1:9080
admin: {listen: 127.0.0.1:9180, tls_listen: off}
routes:
  - id: shop
    uri: /*
    service_id: shop
services:
  - id: shop
    upstream_id: shop-blue
upstreams:
  - id: 7
    nodes: {\"127.0.0.1:1980\": 1}
apps:
  - id: shop
    service_id: shop
    target:
      process:
        command: [./shop, --port, \"{port}\"]
#END
";

fn errors(text: &str) -> Vec<(usize, String, String)> {
    let errors = parse("t.yaml", text, &[]).unwrap_err().0;
    errors.into_iter().map(|error| (error.line, error.field, error.message)).collect()
}

#[test]
fn a_whole_file_is_read() {
    let loaded = parse("t.yaml", GOOD, &[]).unwrap();
    let ids: Vec<_> = loaded.resources.iter().map(|resource| (resource.kind, resource.id.as_str())).collect();
    assert_eq!(
        ids,
        [(Kind::Route, "shop"), (Kind::Service, "shop"), (Kind::Upstream, "7"), (Kind::App, "shop")]
    );
    assert_eq!(loaded.resources[2].value["id"], "7");
    assert_eq!(loaded.settings.admin.tls_listen, listen::Listen::Off);
}

#[test]
fn an_empty_file_is_all_defaults() {
    let loaded = parse("t.yaml", "", &[]).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert!(loaded.resources.is_empty());
}

#[test]
fn every_error_is_told_at_once_with_its_line_and_field() {
    let text = "\
lisetn: 127.0.0.1:80
threads: 0
access_log: off
limits:
  idle_timeout: 5
routes:
  - id: a
    uri: 5
    service_id: nowhere
  - id: a
    uri: /b
    upstream_id: 7
  - uri: /c
services: {}
upstreams:
  - id: 7
    nodes: {\"127.0.0.1:1980\": 1}
apps:
  - id: shop
    service_id: shop
    target: {process: {comand: [x]}}
";
    let found = errors(text);
    let places: Vec<_> = found.iter().map(|(line, field, _)| (*line, field.as_str())).collect();
    for expected in [
        (1, "lisetn"),
        (5, "limits.idle_timeout"),
        (8, "routes[0].uri"),
        (9, "routes[0].service_id"),
        (10, "routes[1].id"),
        (13, "routes[2]"),
        (14, "services"),
        (20, "apps[0].service_id"),
        (21, "apps[0].target.process.comand"),
    ] {
        assert!(places.contains(&expected), "{expected:?} is missing in {found:#?}");
    }
}

/// One mistake of form must not hide one of meaning beside it: who mends what is told has nothing more to mend.
#[test]
fn errors_of_form_and_of_meaning_are_told_in_one_pass() {
    let text = "\
routes:
  - {id: a, uri: 5, methods: [FETCH], service_id: s, plugins: {limit-count: {}}}
services: [{id: s}]
apps:
  - id: shop
    service_id: s
    target: {process: {comand: [x], instances: 0}}
    release:
      limits: {min_requests: 0, max_p99: 5}
      checks:
        - {name: a, header: X, fails_if: missing}
        - {name: b, header: X, fails_if: missing}
        - {name: c, header: X, fails_if: missing}
        - {name: d, heder: X, fails_if: missing}
        - {name: e, header: X}
      preview: {header: a b}
      gates:
        - {name: twice, when: [], check: {smoke: {}}}
        - {name: twice, check: {metric: {source: {http_json: {url: nowhere, pointer: /a, hedaers: {}}}}}}
        - {when: [], check: {smok: {requests: [{path: /}]}}}
";
    let found = errors(text);
    let told = |field: &str| found.iter().filter(|(_, place, _)| place == field).count();
    let gate = |rest: &str| format!("apps[0].release.gates[{rest}");
    for (field, times) in [
        ("routes[0].uri", 1),
        ("routes[0].methods[0]", 1),
        ("apps[0].target.process.comand", 1),
        ("apps[0].target.process", 1),
        ("apps[0].target.process.instances", 1),
        ("apps[0].release.limits.min_requests", 1),
        ("apps[0].release.limits.max_p99", 1),
        ("apps[0].release.checks", 1),
        ("apps[0].release.checks[3].heder", 1),
        ("apps[0].release.checks[4]", 1),
        ("apps[0].release.preview.header", 1),
        (&gate("0].when"), 1),
        (&gate("0].check.smoke"), 1),
        (&gate("1].name"), 1),
        (&gate("1].check.metric"), 1),
        (&gate("1].check.metric.source.http_json.url"), 1),
        (&gate("1].check.metric.source.http_json.hedaers"), 1),
        (&gate("2].when"), 1),
        (&gate("2]"), 1),
    ] {
        assert_eq!(told(field), times, "{field} in {found:#?}");
    }
}

#[test]
fn ranges_and_listeners_are_checked() {
    let found = errors("proxy_protocol: {listen: \"127.0.0.1:1\"}\nreal_ip_header: \"X Y\"\n");
    let fields: Vec<_> = found.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["proxy_protocol", "real_ip_header"]);
    let found = errors("trusted_addresses: [10.0.0.0/33]\nproxy_protocol: {tls_listen: \"0.0.0.0:9080\"}\n");
    let fields: Vec<_> = found.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["trusted_addresses[0]", "proxy_protocol.tls_listen"]);
    let found = errors("threads: 0\nlisten: [127.0.0.1:9180, 0.0.0.0:7443]\nadmin: {allow: [10.0.0.0/33]}\n");
    let fields: Vec<_> = found.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["threads", "admin.listen", "admin.tls_listen", "admin.allow[0]"]);
}

#[test]
fn a_reference_that_leads_nowhere_suggests_the_nearest() {
    let text = "services: [{id: shop}]\nroutes: [{id: r, uri: /, service_id: shpo}]\n";
    let error = parse("t.yaml", text, &[]).unwrap_err().0.remove(0);
    assert_eq!(
        error.to_string(),
        "t.yaml:2:26: routes[0].service_id: there is no service `shpo` in this file\n    did you mean `shop`?"
    );
}

#[test]
fn two_apps_cannot_move_the_same_service() {
    let app = |id: &str| format!("  - {{id: {id}, service_id: s, target: {{process: {{command: [x]}}}}}}\n");
    let text = format!("services: [{{id: s}}]\napps:\n{}{}", app("a"), app("b"));
    assert_eq!(errors(&text)[0].1, "apps[1].service_id");
}

#[test]
fn consumers_are_named_by_their_username_and_found_by_one_key_each() {
    let text = "\
consumers:
  - username: jack
    plugins: {key-auth: {key: k1}}
  - username: rose
    plugins: {key-auth: {key: k2}, limit-count: {count: 1, time_window: 60}}
";
    let loaded = parse("t.yaml", text, plugins::ALL).unwrap();
    let ids: Vec<_> = loaded.resources.iter().map(|resource| (resource.kind, resource.id.as_str())).collect();
    assert_eq!(ids, [(Kind::Consumer, "jack"), (Kind::Consumer, "rose")]);
    let wrong = "\
consumers:
  - username: jack
    plugins: {key-auth: {key: hush}}
  - username: jack
  - username: rose
    plugins: {key-auth: {key: hush}}
  - plugins: {}
  - username: a b
  - username: tom
    plugins: {traffic-split: {}}
";
    let errors: Vec<_> = parse("t.yaml", wrong, plugins::ALL).unwrap_err().0;
    let fields: Vec<_> = errors.iter().map(|error| (error.line, error.field.as_str())).collect();
    assert_eq!(
        fields,
        [
            (4, "consumers[1].username"),
            (6, "consumers[2].plugins.key-auth"),
            (7, "consumers[3]"),
            (8, "consumers[4].username"),
            (10, "consumers[5].plugins.traffic-split")
        ],
        "{errors:?}"
    );
    assert!(errors.iter().all(|error| !error.message.contains("hush")), "keys are not shown: {errors:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let missing = load(&directory.path().join("absent.yaml"), &[]).unwrap_err();
    assert!(missing.to_string().contains("absent.yaml: cannot be read"), "{missing}");
    let latin = directory.path().join("latin.yaml");
    std::fs::write(&latin, b"a: \xe9").unwrap();
    assert!(load(&latin, &[]).unwrap_err().to_string().contains("not valid UTF-8"));
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.yaml");
    std::fs::write(&path, "data_dir: data\naccess_log: /var/log/a.log\ntls_ca_file: ca.pem\n").unwrap();
    let settings = load(&path, &[]).unwrap().settings;
    assert_eq!(settings.data_dir, Some(directory.path().join("data")));
    assert_eq!(settings.tls_ca_file, Some(directory.path().join("ca.pem")));
    assert_eq!(settings.access_log, AccessLog::File("/var/log/a.log".into()));
}

mod any_value {
    use super::*;
    use proptest::prelude::*;

    /// Values as a slip of the hand makes them: right keys with wrong things below.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z/*.:0-9]{0,9}".prop_map(Value::from),
        ];
        let keys = proptest::sample::select(vec![
            "id",
            "uri",
            "service_id",
            "upstream_id",
            "nodes",
            "plugins",
            "traffic-split",
            "rules",
            "weighted_upstreams",
            "target",
            "process",
            "command",
            "release",
            "steps",
            "gates",
            "listen",
            "admin",
            "allow",
            "limits",
            "log",
        ]);
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let map = proptest::collection::btree_map(keys.clone(), inner.clone(), 0..5);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                map.prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_value_panics_and_every_error_has_a_place(
            top in proptest::collection::btree_map(
                proptest::sample::select(vec!["routes", "services", "upstreams", "apps", "listen", "admin", "limits", "dns"]),
                value(),
                0..5,
            )
        ) {
            let text = serde_json::to_string_pretty(&top).unwrap();
            if let Err(errors) = parse("t.yaml", &text, plugins::ALL) {
                prop_assert!(!errors.0.is_empty());
                for error in errors.0 {
                    prop_assert!(error.line >= 1 && error.line <= text.lines().count(), "{error}");
                    prop_assert!(!error.field.is_empty() && !error.message.is_empty(), "{error}");
                }
            }
        }
    }
}
