use super::*;
use crate::example::{app_on as app, input, resource};
use model::app::App;
use model::policy::{Check, OnInconclusive, ReleasePolicy};
use model::resource::{Kind, Resource};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn processes() -> Value {
    json!({"process": {"command": ["shop"], "env": {"SECRET": "hunter2", "KEY": {"from_env": "SHOP_KEY"}}}})
}

fn addresses() -> Value {
    json!({"upstream": {"blue": {"nodes": {"10.0.0.1:80": 1}}, "green": {"nodes": {"10.0.0.2:80": 1}}}})
}

fn planned(app: &App, resources: &[Arc<Resource>]) -> Result<Plan, Vec<Refusal>> {
    planned_over(app, resources, &BTreeMap::new())
}

fn planned_over(
    app: &App,
    resources: &[Arc<Resource>],
    environments: &BTreeMap<Colour, EnvironmentSpec>,
) -> Result<Plan, Vec<Refusal>> {
    plan(&input(app, resources, environments))
}

#[test]
fn going_back_asks_no_gate_and_is_not_undone_for_want_of_traffic() {
    let mut app = app(processes());
    app.release.gates = serde_json::from_value(json!([{"name": "yes", "check": {"approval": {}}}])).unwrap();
    let environments = BTreeMap::new();
    let resources = [resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"}))];
    let forward =
        plan(&input(&app, &resources, &environments)).map(|plan| (plan.gates.len(), plan.on_inconclusive));
    let back = plan(&PlanInput { takes_back: true, ..input(&app, &resources, &environments) })
        .map(|plan| (plan.gates.len(), plan.on_inconclusive));
    assert_eq!(forward.ok(), Some((1, OnInconclusive::Hold)));
    assert_eq!(back.ok(), Some((0, OnInconclusive::Proceed)));
}

fn texts(refused: Result<Plan, Vec<Refusal>>) -> Vec<String> {
    refused.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn routes_that_bypass_the_service_are_refused_by_name() {
    let resources = [
        resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"})),
        resource(Kind::Route, "fine", json!({"uri": "/a", "service_id": "shop"})),
        resource(
            Kind::Route,
            "split",
            json!({"uri": "/b", "service_id": "shop", "plugins": {"traffic-split": {}}}),
        ),
        resource(Kind::Route, "own", json!({"uri": "/c", "service_id": "shop", "upstream_id": "x"})),
        resource(
            Kind::Route,
            "off",
            json!({"uri": "/d", "service_id": "shop", "upstream_id": "x", "status": 0}),
        ),
        resource(Kind::Route, "elsewhere", json!({"uri": "/e", "service_id": "other", "upstream_id": "x"})),
    ];
    let texts = texts(planned(&app(processes()), &resources));
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("route own") && texts[1].contains("route split"), "{texts:?}");
}

#[test]
fn someone_elses_split_service_or_overlay_is_refused() {
    let split = json!({"rules": [{"weighted_upstreams": [{"weight": 1}]}]});
    let overlay = json!({"id": "shop", "app": "other", "base": {}, "owned": {"traffic_split": split}});
    let resources = [
        resource(Kind::Service, "shop", json!({})),
        resource(Kind::Overlay, "shop", overlay),
        resource(Kind::App, "other", json!({"service_id": "shop"})),
    ];
    let texts = texts(planned(&app(processes()), &resources));
    assert_eq!(texts.len(), 3, "{texts:?}");
    let texts = texts_of_missing();
    assert!(texts[0].contains("service shop does not exist"), "{texts:?}");
}

fn texts_of_missing() -> Vec<String> {
    texts(planned(&app(processes()), &[]))
}

#[test]
fn an_empty_split_is_nobodys() {
    let service = json!({"upstream_id": "shop-blue", "plugins": {"traffic-split": {"rules": []}}});
    assert!(planned(&app(processes()), &[resource(Kind::Service, "shop", service)]).is_ok());
}

#[test]
fn an_upstream_target_knows_its_live_colour_by_its_addresses() {
    let inline = json!({"upstream": {"nodes": [{"host": "10.0.0.1", "port": 80, "weight": 5}]}});
    let plan = planned(&app(addresses()), &[resource(Kind::Service, "shop", inline)]).unwrap();
    let lead = plan.lead().unwrap();
    assert_eq!((lead.old.as_ref().unwrap().colour, lead.new.colour), (Colour::Blue, Colour::Green));
    assert_eq!(lead.old.as_ref().unwrap().version, "unknown");
    let by_id = [
        resource(Kind::Service, "shop", json!({"upstream_id": "mine"})),
        resource(Kind::Upstream, "mine", json!({"nodes": {"10.0.0.2": 1}})),
    ];
    let plan = planned(&app(addresses()), &by_id).unwrap();
    assert_eq!(plan.lead().unwrap().new.colour, Colour::Blue);
}

#[test]
fn a_service_with_an_upstream_of_its_own_is_the_old_side_without_a_colour() {
    let service = resource(Kind::Service, "shop", json!({"upstream": {"nodes": {"10.9.9.9:80": 1}}}));
    let plan = planned(&app(processes()), &[service]).unwrap();
    let lead = plan.lead().unwrap();
    assert!(lead.old.is_none() && lead.has_way_back() && plan.limits.is_some());
    let owned = crate::switch::owned_at(&plan, lead, crate::switch::Position::Share(30));
    let shares = owned.traffic_split.unwrap()["rules"][1]["weighted_upstreams"].clone();
    assert_eq!(shares, json!([{"upstream_id": "shop-blue", "weight": 30}, {"weight": 70}]));
    assert!(owned.upstream.is_some(), "the default stays what it was");
}

#[test]
fn a_first_release_goes_to_blue_at_once_without_limits() {
    let plan = planned(&app(processes()), &[resource(Kind::Service, "shop", json!({}))]).unwrap();
    assert_eq!(plan.lead().unwrap().new.colour, Colour::Blue);
    assert_eq!((plan.limits.clone(), plan.soak.duration_ms), (None, 0));
    assert_eq!(plan.notes.len(), 2, "no route, and nothing live: {:?}", plan.notes);
}

#[test]
fn the_differences_are_named_and_no_value_of_the_environment_shows() {
    let app = app(processes());
    let mut old =
        planned(&app, &[resource(Kind::Service, "shop", json!({}))]).unwrap().components.remove(0).new;
    let Target::Process(process) = &mut old.target else { panic!("a process") };
    process.env.insert("SECRET".to_owned(), model::target::EnvValue::Text("swordfish".to_owned()));
    process.env.remove("KEY");
    process.instances = 3;
    let service = resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"}));
    let plan = planned_over(&app, &[service], &BTreeMap::from([(Colour::Blue, old)])).unwrap();
    let parity = &plan.lead().unwrap().parity;
    let names: Vec<&str> = parity.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(names, ["env.KEY", "env.SECRET", "instances"]);
    let shown = format!("{parity:?}") + &serde_json::to_string(&plan.masked()).unwrap();
    for secret in ["hunter2", "swordfish", "s3cret-token"] {
        assert!(!shown.contains(secret), "{secret} shows");
    }
    assert!(!format!("{plan:?}").contains("s3cret-token"), "the token never shows in debug output");
}

#[test]
fn a_plan_is_the_same_for_the_same_input_and_survives_its_json() {
    let resources = [resource(Kind::Service, "shop", json!({"upstream_id": "shop-green"}))];
    let first = planned(&app(processes()), &resources).unwrap();
    assert_eq!(first, planned(&app(processes()), &resources).unwrap());
    let text = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), first);
}

#[test]
fn a_last_step_without_a_time_of_its_own_is_watched_by_the_soak() {
    let mut app = app(processes());
    app.release.steps = serde_json::from_value(json!([5, {"share": 50, "pause_ms": 9}, 100])).unwrap();
    let service = resource(Kind::Service, "shop", json!({"upstream_id": "shop-green"}));
    let steps = planned(&app, &[service]).unwrap().steps;
    let steps: Vec<(u8, u64)> = steps.iter().map(|step| (step.share, step.pause_ms)).collect();
    assert_eq!(steps, [(5, 30_000), (50, 9), (100, 0)]);
}

fn serving(service: Value, others: Vec<Arc<Resource>>, previews: &[Value]) -> Vec<Colour> {
    let nodes = |port: u16| json!({"nodes": [{"host": "127.0.0.1", "port": port, "weight": 1}]});
    let mut resources = vec![
        resource(Kind::Service, "shop", service),
        resource(Kind::Upstream, "shop-blue", nodes(9_001)),
        resource(Kind::Upstream, "shop-green", nodes(9_002)),
        resource(Kind::Upstream, "alias", json!({"nodes": {"localhost:9001": 1}})),
    ];
    resources.extend(others);
    let standing = standing("shop", &resources).unwrap();
    standing.serving("shop", &app(processes()).target, previews, &resources)
}

fn split(rules: Value) -> Value {
    json!({"traffic-split": {"rules": rules}})
}

fn to_blue(weight: u32) -> Value {
    json!([{"upstream_id": "shop-blue", "weight": weight}, {"upstream_id": "shop-green", "weight": 1}])
}

#[test]
fn whatever_leads_users_to_an_environment_makes_it_serve() {
    let green = || json!({"upstream_id": "shop-green"});
    let route = |value: Value| vec![resource(Kind::Route, "r", value)];
    let (blue_too, only_green) = ([Colour::Blue, Colour::Green], [Colour::Green]);
    let condition = json!([{"vars": [["arg_x", "==", "1"]]}]);
    let inline = json!({"nodes": [{"host": "127.0.0.1", "port": 9_001, "weight": 1}]});
    for rule in [
        json!({"weighted_upstreams": to_blue(1)}),
        json!({"match": [], "weighted_upstreams": to_blue(1)}),
        json!({"match": condition, "weighted_upstreams": to_blue(1)}),
        json!({"weighted_upstreams": [{"upstream_id": "shop-blue", "weight": 0}]}),
        json!({"weighted_upstreams": [{"upstream_id": "shop-blue", "weight": 0}, {"weight": 0}]}),
        json!({"weighted_upstreams": [{"upstream": inline, "weight": 1}]}),
        json!({"weighted_upstreams": [{"upstream_id": "alias", "weight": 1}]}),
    ] {
        let plugins = split(json!([rule]));
        let service = json!({"upstream_id": "shop-green", "plugins": plugins});
        assert_eq!(serving(service, vec![], &[]), blue_too, "service: {rule}");
        let of_service = route(json!({"service_id": "shop", "plugins": plugins}));
        assert_eq!(serving(green(), of_service, &[]), blue_too, "route: {rule}");
        let alone = vec![resource(Kind::Service, "other", json!({"plugins": plugins}))];
        assert_eq!(serving(green(), alone, &[]), blue_too, "another service: {rule}");
        let switched_off = route(json!({"service_id": "shop", "status": 0, "plugins": plugins}));
        assert_eq!(serving(green(), switched_off, &[]), only_green, "a route that is off: {rule}");
    }
    let own = |value: Value| serving(green(), route(value), &[]);
    assert_eq!(own(json!({"service_id": "shop", "upstream_id": "shop-blue"})), blue_too);
    assert_eq!(own(json!({"upstream": inline})), blue_too);
    assert_eq!(serving(json!({"upstream": inline}), vec![], &[]), [Colour::Blue]);
}

#[test]
fn what_nobody_can_come_to_does_not_serve() {
    let with = |plugins: Value| json!({"upstream_id": "shop-green", "plugins": plugins});
    let weightless = split(json!([{"weighted_upstreams": to_blue(0)}]));
    assert_eq!(serving(with(weightless), vec![], &[]), [Colour::Green]);
    let mut disabled = split(json!([{"weighted_upstreams": to_blue(1)}]));
    disabled["traffic-split"]["_meta"] = json!({"disable": true});
    assert_eq!(serving(with(disabled), vec![], &[]), [Colour::Green]);
    let rule = |token: &str| {
        let condition = json!([{"vars": [["http_x_preview", "==", token]]}]);
        json!({"match": condition, "weighted_upstreams": [{"upstream_id": "shop-blue", "weight": 1}]})
    };
    let previewed = || with(split(json!([rule("ours")])));
    assert_eq!(serving(previewed(), vec![], &[rule("ours")]), [Colour::Green]);
    assert_eq!(serving(previewed(), vec![], &[rule("another")]), [Colour::Blue, Colour::Green]);
    // Another app's environment may have got an address that one of ours had before.
    let mut foreign = (*resource(Kind::Upstream, "b-blue", json!({"nodes": {"127.0.0.1:9001": 1}}))).clone();
    foreign.origin = Origin::Release;
    let others = vec![Arc::new(foreign), resource(Kind::Service, "b", json!({"upstream_id": "b-blue"}))];
    assert_eq!(serving(json!({"upstream_id": "shop-green"}), others, &[]), [Colour::Green]);
}

/// Refusals and notes of a release that assigns by consumer, where these routes have `key-auth`.
fn by_consumer(service: Value, routes: &[(&str, bool)]) -> Result<Vec<String>, Vec<Refusal>> {
    let mut app = app(processes());
    app.release.sticky = serde_json::from_value(json!({"by": "consumer"})).unwrap();
    let mut resources = vec![resource(Kind::Service, "shop", service)];
    for (id, authenticates) in routes {
        let plugins = if *authenticates { json!({"key-auth": {}}) } else { json!({}) };
        let route = json!({"uri": format!("/{id}"), "service_id": "shop", "plugins": plugins});
        resources.push(resource(Kind::Route, id, route));
    }
    planned(&app, &resources).map(|plan| plan.notes)
}

#[test]
fn assigning_by_consumer_needs_someone_who_knows_consumers() {
    let live = json!({"upstream_id": "shop-blue"});
    let refused = texts(by_consumer(live.clone(), &[("a", false)]).map(|_| unreachable!()));
    assert!(refused[0].starts_with("release.sticky.by: consumer, but no route"), "{refused:?}");
    let notes = by_consumer(live.clone(), &[("a", false), ("b", true)]).unwrap();
    assert!(notes[0].ends_with("by their address: a"), "{notes:?}");
    assert_eq!(by_consumer(live, &[("a", true)]), Ok(vec![]));
    let service = json!({"upstream_id": "shop-blue", "plugins": {"key-auth": {}}});
    assert_eq!(by_consumer(service, &[("a", false)]), Ok(vec![]));
}

#[test]
fn the_rule_says_who_has_which_while_both_have_a_share_and_is_guarded_as_long_as_the_new_one_has() {
    let service = resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"}));
    let mut app = app(processes());
    app.release.preview = None;
    app.release.sticky = serde_json::from_value(json!({"by": "cookie"})).unwrap();
    let plan = planned(&app, &[service]).unwrap();
    let rule = |share: u8| {
        let owned =
            crate::switch::owned_at(&plan, plan.lead().unwrap(), crate::switch::Position::Share(share));
        owned.traffic_split.unwrap()["rules"][0].clone()
    };
    let sticky = json!({"by": "cookie", "name": "tealgate_shop", "salt": "shop-2", "max_age_s": 86_400});
    assert_eq!(rule(10)["tealgate"]["sticky"], sticky);
    assert_eq!(rule(10)["tealgate"]["guard"]["controller_missing"], "revert");
    assert_eq!(
        rule(10)["weighted_upstreams"][0]["upstream_id"],
        "shop-green",
        "the new one first: it only grows"
    );
    assert_eq!(rule(99)["tealgate"], rule(10)["tealgate"], "the salt stays");
    let of_all: Vec<_> = rule(100)["tealgate"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(of_all, ["guard"]);
    assert_eq!(rule(100)["tealgate"]["guard"]["controller_missing"], "stay");
    assert_eq!(
        rule(100)["tealgate"]["guard"]["id"],
        rule(10)["tealgate"]["guard"]["id"],
        "one guard for a release"
    );
}

/// The plan of a release with these steps that holds back so much.
fn holding_back(steps: Value, hold_back: u8, takes_back: bool) -> Result<Plan, Vec<Refusal>> {
    let mut app = app(processes());
    app.release.preview = None;
    app.release.steps = serde_json::from_value(steps).unwrap();
    app.release.soak.hold_back = hold_back;
    app.release.sticky = serde_json::from_value(json!({"by": "cookie"})).unwrap();
    app.release.judge = Some(model::policy::Judge::default());
    let resources = [resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"}))];
    plan(&PlanInput { takes_back, ..input(&app, &resources, &BTreeMap::new()) })
}

#[test]
fn what_the_soak_holds_back_is_taken_from_the_last_step_and_follows_in_a_switch_of_its_own() {
    let plan = holding_back(json!([10, 100]), 5, false).unwrap();
    assert_eq!(plan.steps.iter().map(|step| step.share).collect::<Vec<_>>(), [10, 95]);
    assert_eq!((plan.soak.share(), plan.shares().collect::<Vec<_>>()), (95, vec![10, 95, 100]));
    let notes = plan.notes.join("\n");
    assert!(notes.contains("5 % stay on the old version through the soak"), "{notes}");
    assert!(notes.contains("judged side by side from the first share to the end of the soak"), "{notes}");
    assert!(!notes.contains("historical"), "{notes}");
    let rule = |share: u8| {
        let position = crate::switch::Position::Share(share);
        let owned = crate::switch::owned_at(&plan, plan.lead().unwrap(), position);
        owned.traffic_split.unwrap()["rules"][0].clone()
    };
    let weights = |share: u8| -> Vec<Value> {
        let rule = rule(share);
        rule["weighted_upstreams"].as_array().unwrap().iter().map(|one| one["weight"].clone()).collect()
    };
    assert_eq!((weights(95), weights(100)), (vec![json!(95), json!(5)], vec![json!(100), json!(0)]));
    assert_eq!(rule(95)["tealgate"]["sticky"], rule(10)["tealgate"]["sticky"], "nobody changes sides");
    assert_eq!(rule(10)["tealgate"]["guard"]["controller_missing"], "revert");
    assert_eq!(rule(95)["tealgate"]["guard"]["controller_missing"], "stay", "it is the soak");
}

#[test]
fn all_at_once_with_a_hold_back_is_judged_side_by_side_and_without_one_the_plan_says_that_it_is_not() {
    let at_once = |hold_back| holding_back(json!([100]), hold_back, false).unwrap().notes.join("\n");
    assert!(at_once(5).contains("at most once in 1000 releases"), "{}", at_once(5));
    assert!(at_once(0).contains("the soak holds none back"), "{}", at_once(0));
    assert!(at_once(0).contains("at 100 % nothing is compared"), "users keep theirs: {}", at_once(0));
}

#[test]
fn nothing_is_held_back_from_those_who_flee_or_where_nothing_was_live() {
    let back = holding_back(json!([100]), 5, true).unwrap();
    assert_eq!((back.soak.hold_back, back.steps.iter().map(|step| step.share).collect()), (0, vec![100]));
    let mut first = app(processes());
    first.release.soak.hold_back = 5;
    let plan = planned(&first, &[resource(Kind::Service, "shop", json!({}))]).unwrap();
    assert_eq!((plan.soak.share(), plan.steps.len()), (100, 1));
}

#[test]
fn a_hold_back_that_leaves_the_last_step_no_more_than_the_one_before_is_refused() {
    for (steps, hold_back) in [(json!([95, 100]), 5), (json!([100]), 51), (json!([60, 100]), 45)] {
        let texts = texts(holding_back(steps, hold_back, false));
        assert!(texts[0].starts_with("release.soak.hold_back: "), "{texts:?}");
    }
    assert!(holding_back(json!([95, 100]), 5, true).is_ok(), "who flees asks for none");
}

#[test]
fn whether_a_version_says_who_it_is_is_asked_before_users_see_it() {
    let resources = [resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"}))];
    let gates = |app: &App| planned(app, &resources).unwrap().gates;
    let mut app = app(processes());
    let wanted = json!([{"name": "yes", "check": {"approval": {}}}]);
    app.release.gates = serde_json::from_value(wanted).unwrap();
    app.release.identity = serde_json::from_value(json!({"header": "X-Version", "path": "/who"})).unwrap();
    let [gate, own] = &gates(&app)[..] else { panic!("it comes first, and the others stay") };
    let version = planned(&app, &resources).unwrap().components[0].new.version.clone();
    let asks = json!({"smoke": {"through_gate": true, "requests": [{"method": "GET", "path": "/who", "headers": {},
        "body": null, "expect": {"any_status": true, "statuses": [], "headers": {"X-Version": version},
            "body_contains": null, "json": {}}}]}});
    assert_eq!((serde_json::to_value(&gate.check).unwrap(), own.name.as_str()), (asks, "yes"));
    let without_preview =
        App { release: ReleasePolicy { preview: None, ..app.release.clone() }, ..app.clone() };
    let through_gate = |gates: &[Gate]| matches!(gates[0].check, Check::Smoke { through_gate: true, .. });
    assert_eq!([through_gate(&gates(&app)), through_gate(&gates(&without_preview))], [true, false]);

    let mut mine = app.clone();
    mine.release.gates[0].name = "identity".to_owned();
    assert_eq!(gates(&mine), mine.release.gates, "a gate of this name takes its place");
    let identity = mine.release.identity.as_mut().unwrap();
    (identity.path, mine.release.gates) = (None, Vec::new());
    assert_eq!(gates(&mine), [], "nobody asks");
    for (scheme, tls, count) in [
        ("https", json!({"verify": true}), 2),
        ("https", json!({"client_cert_id": "c"}), 1),
        ("grpc", json!({}), 1),
    ] {
        let target = json!({"upstream": {"blue": {"nodes": {"10.0.0.1:80": 1}, "scheme": scheme, "tls": tls},
            "green": {"nodes": {"10.0.0.2:80": 1}, "scheme": scheme, "tls": tls}}});
        let other = App { target: serde_json::from_value(target).unwrap(), ..app.clone() };
        assert_eq!(gates(&other).len(), count, "over {scheme}");
    }
}

#[test]
fn who_previews_a_version_is_told_by_it_as_users_are() {
    let resources = [resource(Kind::Service, "shop", json!({"upstream_id": "shop-blue"}))];
    let mut app = app(processes());
    let extension = |app: &App| {
        crate::switch::preview_rules(&planned(app, &resources).unwrap())[0].get("tealgate").cloned()
    };
    let check = json!([{"name": "order", "header": "x-ok", "fails_if": "missing"}]);
    app.release.checks = serde_json::from_value(check).unwrap();
    assert_eq!(extension(&app), None, "checks are about users");
    app.release.identity = serde_json::from_value(json!({"header": "X-Version"})).unwrap();
    let versions = extension(&app).unwrap()["answers"].take();
    assert_eq!((&versions["identity"]["header"], versions.get("checks")), (&json!("X-Version"), None));
}
