use super::*;
use crate::clock::now_ms;
use crate::example::{environment, input};
use crate::failpoint::Failpoints;
use crate::lease::{LEASE, Tenure, hold};
use crate::plan::{PlanInput, PreviewToken, plan, standing};
use crate::target::{EnvironmentSpec, EnvironmentStatus, InstanceState, InstanceStatus};
use model::app::App;
use model::colour::upstream_id;
use model::overlay::Overlay;
use model::resource::{Kind, Origin};
use serde_json::json;
use std::sync::Arc;
use store::{Expect, MemoryStore, Report, Store};

const TOKEN: &str = "0123456789abcdef";

struct Place {
    store: Arc<dyn Store>,
    switch: GatewaySwitch,
    plan: Plan,
    fence: u64,
}

/// A service with green idle and blue live, both known.
async fn place(service: Value, origin: Origin) -> Place {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let put = |kind, id: &str, value| store::Write::Put {
        kind,
        id: Some(id.to_owned()),
        value,
        origin,
        expect: Expect::Absent,
    };
    let writes =
        vec![put(Kind::Service, "shop", service), put(Kind::Upstream, "other", json!({"nodes": {"o:1": 1}}))];
    store.commit(writes, None).await.unwrap();
    let Tenure::Held { fence, .. } = hold(&store, "test", 60_000).await.unwrap() else { panic!("free") };
    let app: App = serde_json::from_value(json!({
        "id": "shop", "service_id": "shop",
        "target": {"process": {"command": ["shop"]}},
        "release": {"preview": {"addresses": ["10.0.0.0/8"]}},
    }))
    .unwrap();
    let environments = [(Colour::Blue, environment(Colour::Blue, "1"))].into();
    let snapshot = store.snapshot().await.unwrap();
    let token = PreviewToken::new(TOKEN.to_owned());
    let plan = plan(&PlanInput { token, ..input(&app, &snapshot.resources, &environments) }).unwrap();
    Place { switch: GatewaySwitch::new(Arc::clone(&store), 1_000, Failpoints::default()), store, plan, fence }
}

fn status(ports: &[(u16, InstanceState)]) -> EnvironmentStatus {
    let instance = |(number, (port, state)): (u16, &(u16, InstanceState))| InstanceStatus {
        number,
        host: "127.0.0.1".to_owned(),
        port: *port,
        pid: None,
        state: *state,
        restarts: 0,
        detail: String::new(),
        crash_loop: None,
    };
    EnvironmentStatus {
        instances: (0..).zip(ports).map(instance).collect(),
        ready: true,
        detail: String::new(),
    }
}

impl Place {
    async fn apply(
        &self,
        position: Position,
        expected: Position,
        overwrite: bool,
    ) -> Result<Applied, SwitchError> {
        let component = self.plan.lead().unwrap();
        let up = status(&[(9_001, InstanceState::Ready)]);
        let endpoints =
            BTreeMap::from([(component.new.colour, upstream_value(&component.new, Some(&up), 500).unwrap())]);
        let expected = [owned_at(&self.plan, component, expected)];
        let write = Write {
            plan: &self.plan,
            component,
            position,
            expected: &expected,
            overwrite,
            endpoints: &endpoints,
            fence: self.fence,
        };
        self.switch.apply(&write).await
    }

    async fn serving(&self) -> Vec<Colour> {
        self.switch.observe(&self.plan, self.plan.lead().unwrap()).await.unwrap().serving
    }

    async fn stored(&self, kind: Kind, id: &str) -> Option<Value> {
        self.store.get(kind, id).await.unwrap().map(|resource| (*resource.value).clone())
    }

    async fn edit(&self, service: Value) {
        let write = store::Write::Put {
            kind: Kind::Service,
            id: Some("shop".to_owned()),
            value: service,
            origin: Origin::Api,
            expect: Expect::Any,
        };
        self.store.commit(vec![write], None).await.unwrap();
    }
}

#[tokio::test]
async fn a_share_is_written_as_a_person_would_write_it() {
    let place =
        place(json!({"name": "n", "upstream_id": "shop-blue", "plugins": {"cors": {}}}), Origin::Api).await;
    place.apply(Position::Share(10), Position::Before, false).await.unwrap();
    let service = place.stored(Kind::Service, "shop").await.unwrap();
    assert_eq!(service["plugins"]["cors"], json!({}));
    assert_eq!(service["upstream_id"], "shop-blue", "the default stays until the commit");
    let expected = json!({"rules": [
        {"match": [
            {"vars": [["http_x_tealgate_preview", "==", TOKEN]]},
            {"vars": [["cookie_tealgate_preview", "==", TOKEN]]},
            {"vars": [["remote_addr", "ipmatch", ["10.0.0.0/8"]]]},
         ],
         "weighted_upstreams": [{"upstream_id": "shop-green", "weight": 1}]},
        {"weighted_upstreams": [{"upstream_id": "shop-green", "weight": 10}, {"upstream_id": "shop-blue", "weight": 90}],
         "tealgate": {"shuffle": "shop-2", "guard": {
             "id": "shop-2-7", "new": "shop-green", "max_error_ppm": 50_000, "min_requests": 20, "break_ppm": 250_000,
             "hang": {"requests": 8, "after_ms": 2_000},
             "false_alarm_one_in": 2_500, "unended_false_alarm_one_in": 10_000, "tolerance_percent": 120, "controller_missing": "revert",
             "missing_after_ms": 5_000, "planned_restart_ms": 60_000}}},
    ]});
    assert_eq!(service["plugins"]["traffic-split"], expected);
    let green = place.stored(Kind::Upstream, "shop-green").await.unwrap();
    assert_eq!(green["nodes"], json!([{"host": "127.0.0.1", "port": 9_001, "weight": 1}]));
    assert_eq!(green["labels"]["tealgate.colour"], "green");
    assert_eq!(green["labels"]["tealgate.drain_timeout_ms"], "500");
}

#[tokio::test]
async fn each_step_of_a_rehearsal_is_a_write_of_its_own_that_arms_the_guard_and_gives_the_new_version_nothing()
 {
    let place = place(json!({"upstream_id": "shop-blue"}), Origin::Api).await;
    let share = place.apply(Position::Share(0), Position::Before, false).await.unwrap();
    let mut revisions = vec![share.revision];
    let mut before = Position::Share(0);
    for step in [10, 100] {
        let written = place.apply(Position::Rehearsed(step), before, false).await.unwrap();
        revisions.push(written.revision);
        let service = place.stored(Kind::Service, "shop").await.unwrap();
        let rules = service.pointer("/plugins/traffic-split/rules").unwrap().as_array().unwrap();
        let [_, shares] = rules.as_slice() else { panic!("{rules:?}") };
        let weights =
            json!([{"upstream_id": "shop-green", "weight": 0}, {"upstream_id": "shop-blue", "weight": step}]);
        assert_eq!(shares["weighted_upstreams"], weights);
        assert_eq!(shares["tealgate"].as_object().unwrap().keys().collect::<Vec<_>>(), ["guard"]);
        assert_eq!(place.serving().await, [Colour::Blue]);
        before = Position::Rehearsed(step);
    }
    assert!(revisions.is_sorted_by(|one, next| one < next), "{revisions:?}");
    place.apply(Position::Before, before, false).await.unwrap();
    assert_eq!(
        place.stored(Kind::Service, "shop").await.unwrap(),
        json!({"id": "shop", "upstream_id": "shop-blue"})
    );
}

#[tokio::test]
async fn the_clean_up_leaves_only_the_new_default_and_the_way_back_leaves_nothing() {
    let before = json!({"id": "shop", "upstream_id": "shop-blue"});
    let place = place(before.clone(), Origin::Api).await;
    place.apply(Position::Share(100), Position::Before, false).await.unwrap();
    place.apply(Position::Before, Position::Share(100), true).await.unwrap();
    assert_eq!(place.stored(Kind::Service, "shop").await.unwrap(), before);
    place.apply(Position::Share(100), Position::Before, false).await.unwrap();
    place.apply(Position::Committed, Position::Share(100), false).await.unwrap();
    let after = json!({"id": "shop", "upstream_id": "shop-green"});
    assert_eq!(place.stored(Kind::Service, "shop").await.unwrap(), after);
}

#[tokio::test]
async fn writing_what_holds_already_writes_nothing_and_answers_the_same_revision() {
    let place = place(json!({"upstream_id": "shop-blue"}), Origin::Api).await;
    let first = place.apply(Position::Share(100), Position::Before, false).await.unwrap();
    let again = place.apply(Position::Share(100), Position::Before, false).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(place.store.snapshot().await.unwrap().revision, first.revision);
}

#[tokio::test]
async fn someones_edit_is_not_overwritten_unless_asked_and_no_secret_shows() {
    let place = place(json!({"upstream_id": "shop-blue"}), Origin::Api).await;
    place.apply(Position::Share(10), Position::Before, false).await.unwrap();
    place.edit(json!({"upstream_id": "other"})).await;
    let refused = place.apply(Position::Share(50), Position::Share(10), false).await;
    let Err(SwitchError::Foreign { diff, .. }) = refused else { panic!("{refused:?}") };
    assert!(diff.contains("upstream_id") && diff.contains("(secret)") && !diff.contains(TOKEN), "{diff}");
    assert_eq!(place.stored(Kind::Service, "shop").await.unwrap()["upstream_id"], "other");
    let applied = place.apply(Position::Before, Position::Share(10), true).await.unwrap();
    assert!(applied.overwrote.is_some());
    assert_eq!(place.stored(Kind::Service, "shop").await.unwrap()["upstream_id"], "shop-blue");
}

#[tokio::test]
async fn a_service_of_the_file_gets_an_overlay_that_goes_when_it_says_nothing_new() {
    let place = place(json!({"upstream_id": "shop-blue", "plugins": {"cors": {}}}), Origin::File).await;
    place.apply(Position::Share(100), Position::Before, false).await.unwrap();
    let mut overlay = place.stored(Kind::Overlay, "shop").await.unwrap();
    overlay.as_object_mut().unwrap().shift_remove("id");
    let overlay: Overlay = serde_json::from_value(overlay).unwrap();
    assert_eq!(overlay.base.upstream_id, Some(json!("shop-blue")));
    assert!(overlay.owned.traffic_split.is_some());
    place.apply(Position::Before, Position::Share(100), true).await.unwrap();
    assert_eq!(place.stored(Kind::Overlay, "shop").await, None);
}

#[tokio::test]
async fn an_older_holder_of_the_lease_writes_nothing() {
    let mut place = place(json!({"upstream_id": "shop-blue"}), Origin::Api).await;
    place.store.release_lease(LEASE, place.fence).await.unwrap();
    hold(&place.store, "other", 60_000).await.unwrap();
    place.fence -= u64::from(place.fence > 1);
    let refused = place.apply(Position::Share(100), Position::Before, false).await;
    assert!(matches!(refused, Err(SwitchError::Store(StoreError::Fenced { .. }))), "{refused:?}");
}

#[tokio::test]
async fn no_gateway_is_not_a_yes() {
    let place = place(json!({"upstream_id": "shop-blue"}), Origin::Api).await;
    assert_eq!(place.switch.verify(1).await, Spread::CannotTell);
    let report = |instance: &str, applied, at_ms| Report {
        instance: instance.to_owned(),
        role: "gateway".to_owned(),
        applied: Some(applied),
        at_ms,
        detail: json!({}),
    };
    place.store.report(report("a", 7, now_ms())).await.unwrap();
    place.store.report(report("dead", 1, now_ms() - 60_000)).await.unwrap();
    assert_eq!(place.switch.verify(7).await, Spread::Yes);
    place.store.report(report("b", 6, now_ms())).await.unwrap();
    assert!(
        matches!(place.switch.verify(7).await, Spread::No { detail } if detail.contains("b runs revision 6"))
    );
}

#[test]
fn requests_go_to_the_instances_that_are_ready_or_else_to_all() {
    let target = json!({"process": {"command": ["shop"], "upstream": {"scheme": "https", "retries": 2}}});
    let spec =
        EnvironmentSpec { target: serde_json::from_value(target).unwrap(), ..environment(Colour::Blue, "1") };
    let ports = |seen: &[(u16, InstanceState)]| -> Option<Vec<u64>> {
        let upstream = upstream_value(&spec, Some(&status(seen)), 1)?;
        assert_eq!((upstream["scheme"].as_str(), upstream["retries"].as_u64()), (Some("https"), Some(2)));
        Some(upstream["nodes"].as_array()?.iter().filter_map(|node| node["port"].as_u64()).collect())
    };
    use InstanceState::{Exited, Ready, Starting, Stopped, Unready};
    assert_eq!(ports(&[(1, Ready), (2, Unready), (3, Ready)]), Some(vec![1, 3]));
    assert_eq!(ports(&[(1, Unready), (2, Exited), (0, Starting)]), Some(vec![1, 2]));
    assert_eq!(ports(&[(1, Stopped)]), None);
    assert_eq!(ports(&[]), None);
}

#[tokio::test]
async fn who_serves_is_read_from_default_and_weights_but_not_from_the_preview() {
    let place = place(json!({"upstream_id": "shop-blue"}), Origin::Api).await;
    let component = place.plan.lead().unwrap();
    let serving = async || {
        let snapshot = place.store.snapshot().await.unwrap();
        let standing = standing("shop", &snapshot.resources).unwrap();
        standing.serving("shop", &component.new.target, &preview_rules(&place.plan), &snapshot.resources)
    };
    place.apply(Position::Share(0), Position::Before, false).await.unwrap();
    assert_eq!(serving().await, [Colour::Blue], "a preview is no user traffic");
    place.apply(Position::Share(1), Position::Share(0), false).await.unwrap();
    assert_eq!(serving().await, [Colour::Blue, Colour::Green]);
    place.apply(Position::Committed, Position::Share(1), false).await.unwrap();
    assert_eq!(serving().await, [Colour::Green]);
    assert_eq!(upstream_id("shop", Colour::Green), "shop-green");
}
