use super::*;
use crate::table::{Goal, Route, RouteDefault};
use model::resource::Origin;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What is written at one revision: a resource and what it says, or that it is deleted.
type Batch = Vec<(Kind, &'static str, Option<Value>)>;

/// The resources in the store's order, with the position of each within the batch that created it.
#[derive(Default)]
struct Resources {
    revision: Revision,
    all: Vec<(usize, Arc<Resource>)>,
}

impl Resources {
    fn write(&mut self, batch: Batch) {
        self.revision += 1;
        for (position, (kind, id, value)) in batch.into_iter().enumerate() {
            let at = self.all.iter().position(|(_, resource)| resource.kind == kind && resource.id == id);
            let before = at.map(|at| self.all.remove(at));
            let Some(mut value) = value else { continue };
            value["id"] = id.into();
            let (position, created) =
                before.map_or((position, self.revision), |(position, before)| (position, before.created));
            let (origin, id, value) = (Origin::Api, id.to_owned(), Arc::new(value));
            let modified = self.revision;
            self.all.push((position, Arc::new(Resource { kind, id, value, origin, created, modified })));
        }
        self.all.sort_by_key(|(position, resource)| (resource.kind, resource.created, *position));
    }

    fn compile(&self, compiler: &mut Compiler) -> (Table, Vec<Problem>) {
        let resources = self.all.iter().map(|(_, resource)| Arc::clone(resource)).collect();
        compiler.compile(self.revision, resources)
    }
}

fn compiler() -> Compiler {
    Compiler::new(1, false, Arc::new(Registry::new(1)))
}

fn nodes(default: &RouteDefault) -> String {
    match default {
        RouteDefault::Target(target) => {
            let nodes: Vec<_> = target.nodes.iter().map(|node| node.authority.as_str()).collect();
            nodes.join(",")
        }
        nowhere => format!("{nowhere:?}"),
    }
}

/// All of a route that can be told without its history.
fn told(route: &Route) -> String {
    let choices = route.split.iter().flat_map(|split| &split.rules).flat_map(|rule| &rule.choices);
    let choices: Vec<_> = choices
        .map(|choice| match &choice.goal {
            Goal::Target(target) => format!("{}={}", target.nodes[0].authority, choice.weight),
            Goal::Nowhere(default) => nodes(default),
        })
        .collect();
    let Route { id, service, service_name, methods, .. } = route;
    format!("{id} {service} {service_name} {methods:?} {} {choices:?}", nodes(&route.default))
}

/// What a table answers to everything that the resources below can be asked.
fn answers(table: &Table) -> (Vec<String>, Vec<Option<String>>, usize) {
    let mut offered = Vec::new();
    for host in ["a.x", "b.x", "c.y"] {
        for path in ["/", "/a", "/a/b", "/b"] {
            offered.push(format!("{host}{path}"));
            table.find(host, path.as_bytes(), |route| {
                offered.push(told(route));
                false
            });
        }
    }
    let by_id: Vec<_> = ROUTES.iter().map(|id| table.route(id).map(|route| told(route))).collect();
    let ways = ROUTES.iter().filter_map(|id| table.route(id)).flat_map(|route| route.reachable());
    let ways: foldhash::HashSet<u64> = ways.collect();
    assert_eq!(ways, **table.reachable());
    (offered, by_id, ways.len())
}

const ROUTES: [&str; 4] = ["r1", "r2", "r3", "r4"];

fn upstream() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["127.0.0.1:1", "127.0.0.1:2"])
        .prop_map(|node| json!({"type": "roundrobin", "nodes": {node: 1}}))
}

fn split() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["u1", "u2"]).prop_map(
        |id| json!({"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": id, "weight": 1}, {"weight": 2}]}]}}),
    )
}

fn with(mut value: Value, fields: Vec<(&'static str, Option<Value>)>) -> Value {
    for (key, field) in fields {
        if let Some(field) = field {
            value[key] = field;
        }
    }
    value
}

fn id_of(ids: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::sample::select(ids).prop_map(Value::from)
}

fn service() -> impl Strategy<Value = Value> {
    let hosts = prop::sample::select(vec![json!(["a.x"]), json!(["*.x"]), json!(["*"])]);
    let fields = (
        prop::option::of(hosts),
        prop::option::of(id_of(&["u1", "u2"])),
        prop::option::of(upstream()),
        prop::option::of(split()),
    );
    fields.prop_map(|(hosts, id, inline, split)| {
        let fields = [("hosts", hosts), ("upstream_id", id), ("upstream", inline), ("plugins", split)];
        with(json!({"name": "s"}), fields.into())
    })
}

fn overlay() -> impl Strategy<Value = Value> {
    id_of(&["u1", "u2"]).prop_map(|id| json!({"app": "x", "base": {}, "owned": {"upstream_id": id}}))
}

fn route() -> impl Strategy<Value = Value> {
    let uris = prop::sample::subsequence(vec!["/a", "/a*", "/*", "/a/*", "/*/b", "/b"], 1..3);
    let hosts = prop::sample::select(vec![json!(["a.x"]), json!(["b.x", "*.y"])]);
    let fields = (
        uris,
        prop::option::of(hosts),
        0..2,
        prop::option::of(id_of(&["s1", "s2", "gone"])),
        prop::option::of(id_of(&["u1", "u2", "gone"])),
        prop::option::of(upstream()),
        prop::option::of(split()),
        prop::option::weighted(
            0.1,
            prop::sample::select(vec![("status", json!(0)), ("filter_func", json!("x"))]),
        ),
    );
    fields.prop_map(|(uris, hosts, priority, service, upstream, inline, split, out)| {
        let fields = [
            ("hosts", hosts),
            ("service_id", service),
            ("upstream_id", upstream),
            ("upstream", inline),
            ("plugins", split),
        ];
        let mut fields = Vec::from(fields);
        fields.extend(out.map(|(key, value)| (key, Some(value))));
        with(json!({"uris": uris, "priority": priority}), fields)
    })
}

fn write() -> impl Strategy<Value = (Kind, &'static str, Option<Value>)> {
    fn of<S: Strategy<Value = Value>>(
        kind: Kind,
        ids: &'static [&'static str],
        value: impl Fn() -> S,
    ) -> impl Strategy<Value = (Kind, &'static str, Option<Value>)> {
        (prop::sample::select(ids), prop::option::weighted(0.8, value()))
            .prop_map(move |(id, value)| (kind, id, value))
    }
    prop_oneof![
        2 => of(Kind::Upstream, &["u1", "u2"], upstream),
        2 => of(Kind::Service, &["s1", "s2"], service),
        1 => of(Kind::Overlay, &["s1", "s2"], overlay),
        4 => of(Kind::Route, &ROUTES, route),
    ]
}

proptest! {
    #[test]
    fn a_table_that_was_changed_again_and_again_is_the_one_that_is_built_at_once(
        batches in prop::collection::vec(prop::collection::vec(write(), 1..4), 1..16),
    ) {
        let (mut resources, mut changed) = (Resources::default(), compiler());
        for batch in batches {
            resources.write(batch);
            let (table, problems) = resources.compile(&mut changed);
            let (anew, problems_anew) = resources.compile(&mut compiler());
            prop_assert_eq!(answers(&table), answers(&anew));
            prop_assert_eq!(problems, problems_anew);
        }
    }
}

#[test]
fn what_a_change_does_not_concern_is_the_same_object_again() {
    let (mut resources, mut compiler) = (Resources::default(), compiler());
    let route = |upstream: &str| Some(json!({"uri": "/a", "upstream_id": upstream}));
    let upstream = |node: &str| Some(json!({"nodes": {node: 1}}));
    resources.write(vec![
        (Kind::Upstream, "u1", upstream("127.0.0.1:1")),
        (Kind::Upstream, "u2", upstream("127.0.0.1:2")),
        (Kind::Route, "r1", route("u1")),
        (Kind::Route, "r2", route("u2")),
    ]);
    let before = resources.compile(&mut compiler).0;
    resources.write(vec![(Kind::Upstream, "u2", upstream("127.0.0.1:3"))]);
    let after = resources.compile(&mut compiler).0;
    let same = |id| Arc::ptr_eq(before.route(id).unwrap(), after.route(id).unwrap());
    assert_eq!((same("r1"), same("r2")), (true, false));
    resources.write(vec![(Kind::Route, "r1", route("u1"))]);
    let last = resources.compile(&mut compiler).0;
    assert!(Arc::ptr_eq(after.route("r2").unwrap(), last.route("r2").unwrap()));
    assert!(Arc::ptr_eq(after.reachable(), last.reachable()));
}
