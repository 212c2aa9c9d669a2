use super::*;
use model::app::App;
use model::resource::{Kind, Resource};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn resource(kind: Kind, id: &str, value: Value) -> Arc<Resource> {
    let value = Arc::new(value);
    Arc::new(Resource { kind, id: id.to_owned(), value, origin: Origin::Api, created: 1, modified: 1 })
}

fn app(target: Value) -> App {
    serde_json::from_value(json!({"id": "shop", "service_id": "shop", "target": target})).unwrap()
}

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
    plan(&PlanInput {
        release: "shop-2",
        app,
        version: "2",
        actor: "ann",
        now_ms: 7,
        base_dir: "/srv",
        target: None,
        environment: None,
        steps: None,
        takes_back: false,
        resources,
        environments,
        last_live: None,
        token: PreviewToken::new("s3cret-token".to_owned()),
    })
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
