use super::*;
use crate::clock;
use crate::health::{Counters, Event, Registry, Status};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

/// An upstream with its states, of one thread.
struct World {
    picker: Picker,
    standing: Option<Standing>,
    now: Instant,
}

impl World {
    fn new(value: &Value) -> World {
        World::of(value, &mut Registry::new(1))
    }

    fn of(value: &Value, registry: &mut Registry) -> World {
        let upstream = Upstream::from_value(value, false);
        let nodes: Vec<_> =
            upstream.nodes.iter().map(|node| (node.host.as_str(), node.port.unwrap_or(80))).collect();
        let picker = Picker::new(&upstream, &nodes, 1, 1);
        let standing = registry.standing("upstreams/u", &upstream, &nodes, picker.nodes().count());
        World { picker, standing, now: clock::now() }
    }

    fn pick(&self, tried: &[usize]) -> Result<usize, NoNode> {
        self.pick_key(tried, "key")
    }

    fn pick_key(&self, tried: &[usize], key: &str) -> Result<usize, NoNode> {
        let turn = Turn { thread: 0, tried, now: self.now };
        self.picker.pick(&turn, self.standing.as_ref(), |_, _| key.into())
    }

    fn standing(&self) -> &Standing {
        self.standing.as_ref().expect("it has states")
    }

    fn state(&self, node: usize) -> &crate::health::NodeState {
        &self.standing().nodes()[node]
    }

    fn down(&self, node: usize) {
        self.state(node).count(Event::TcpFailure, 1, self.now, String::new);
        assert_eq!(self.state(node).counters().status, Status::Unhealthy);
    }

    fn up(&self, node: usize) {
        self.state(node).count(Event::Success, 1, self.now, String::new);
        assert_eq!(self.state(node).counters(), Counters { successes: 1, ..Counters::default() });
    }

    /// How often each of `nodes` is picked.
    fn counts(&self, nodes: usize, picks: usize) -> Vec<usize> {
        let mut counts = vec![0; nodes];
        for _ in 0..picks {
            counts[self.pick(&[]).expect("a node")] += 1;
        }
        counts
    }
}

fn nodes(weights: &[u32]) -> Vec<Value> {
    let node = |(at, weight): (usize, &u32)| json!({"host": format!("n{at}"), "port": 1, "weight": weight});
    weights.iter().enumerate().map(node).collect()
}

fn of_type(name: &str, weights: &[u32]) -> Value {
    json!({"type": name, "key": "uri", "nodes": nodes(weights), "checks": {"active": {}}})
}

const TYPES: [&str; 4] = ["roundrobin", "chash", "ewma", "least_conn"];

#[test]
fn a_node_that_is_down_gets_nothing_and_its_share_goes_to_the_others_by_weight() {
    let world = World::new(&of_type("roundrobin", &[1, 2, 3]));
    assert_eq!(world.counts(3, 12), [2, 4, 6]);
    world.down(2);
    assert_eq!(world.counts(3, 12), [4, 8, 0]);
    world.up(2);
    assert_eq!(world.counts(3, 12), [2, 4, 6]);
}

#[test]
fn when_all_are_down_all_are_used() {
    for name in TYPES {
        let world = World::new(&of_type(name, &[1, 1]));
        (0..2).for_each(|node| world.down(node));
        let first = world.pick(&[]).expect(name);
        assert_eq!(world.pick(&[first]), Ok(1 - first), "{name}");
    }
}

#[test]
fn a_retry_asks_a_healthy_node_first_and_an_unhealthy_one_at_last() {
    for name in TYPES {
        let world = World::new(&of_type(name, &[1, 1, 1]));
        world.down(0);
        let first = world.pick(&[]).expect(name);
        let second = world.pick(&[first]).expect(name);
        assert!(first != 0 && second != 0 && first != second, "{name}");
        assert_eq!(world.pick(&[first, second]), Ok(0), "{name}");
        assert_eq!(world.pick(&[0, 1, 2]), Err(NoNode::Exhausted), "{name}");
    }
}

#[test]
fn lower_priorities_serve_only_while_all_higher_ones_are_down() {
    for name in TYPES {
        let mut value = of_type(name, &[1, 1, 1]);
        value["nodes"][2]["priority"] = json!(-1);
        let world = World::new(&value);
        assert!((0..50).all(|_| world.pick(&[]) != Ok(2)), "{name}");
        (0..2).for_each(|node| world.down(node));
        assert!((0..50).all(|_| world.pick(&[]) == Ok(2)), "{name}");
        world.up(0);
        assert!((0..50).all(|_| world.pick(&[]) == Ok(0)), "{name}");
        assert_eq!(world.pick(&[0]), Ok(2), "{name}: healthy beats higher");
    }
}

#[test]
fn a_weight_of_zero_is_never_needed() {
    for name in TYPES {
        let world = World::new(&json!({"type": name, "key": "uri", "nodes": nodes(&[1, 0])}));
        assert_eq!(world.pick(&[]), Ok(0), "{name}");
        assert_eq!(world.pick(&[0]), Err(NoNode::Exhausted), "{name}");
        assert!(world.standing.is_none(), "{name}: one usable node has no other");
    }
}

#[test]
fn a_key_moves_to_the_next_point_only_while_its_owner_is_down() {
    let world = World::new(&of_type("chash", &[1, 1, 1]));
    let owners = |world: &World| {
        (0..300).map(|n| world.pick_key(&[], &format!("k{n}")).expect("a node")).collect::<Vec<_>>()
    };
    let before = owners(&world);
    world.down(1);
    let during = owners(&world);
    for (before, during) in before.iter().zip(&during) {
        assert!(*during != 1 && (*before == 1 || before == during));
    }
    world.up(1);
    assert_eq!(owners(&world), before);
}

#[test]
fn least_conn_takes_the_node_with_the_fewest_open_requests_for_its_weight() {
    let world = World::new(&of_type("least_conn", &[1, 2]));
    let mut counts = [0u32; 2];
    for _ in 0..30 {
        let node = world.pick(&[]).expect("a node");
        counts[node] += 1;
        world.standing().load(node, 0).expect("a load").open.store(counts[node], Relaxed);
    }
    assert_eq!(counts, [10, 20]);
    let equal = World::new(&of_type("least_conn", &[1, 1, 1]));
    assert!(equal.counts(3, 300).iter().all(|count| *count > 50), "ties do not all go to one");
}

#[test]
fn ewma_takes_the_quicker_of_two_and_tries_who_has_no_sample() {
    let world = World::new(&of_type("ewma", &[1, 1]));
    world.standing().answered(0, 0, 200, 1_000, world.now);
    assert_eq!(world.counts(2, 20), [0, 20], "the second has no sample");
    world.standing().answered(0, 1, 200, 9_000, world.now);
    assert_eq!(world.counts(2, 20), [20, 0]);
    world.standing().failed(0, 0, crate::health::Failed::Tcp, 10, world.now + Duration::from_secs(9));
    assert_eq!(world.counts(2, 20), [0, 20], "a quick failure is not a quick answer");
}

#[test]
fn a_node_that_comes_up_gets_its_share_little_by_little() {
    let mut value = of_type("roundrobin", &[1, 1]);
    value["labels"] = json!({"tealgate.slow_start_ms": "10000"});
    let mut world = World::new(&value);
    assert_eq!(world.counts(2, 200), [100, 100], "the first nodes begin with their whole share");
    world.down(0);
    assert_eq!(world.counts(2, 10), [0, 10]);
    world.up(0);
    let mut shares = Vec::new();
    for _ in 0..3 {
        shares.push(world.counts(2, 1_100)[0]);
        world.now += Duration::from_secs(5);
    }
    assert_eq!(shares[0], 100, "a tenth of the other's");
    assert!((385..395).contains(&shares[1]), "55 to 100: {shares:?}");
    assert_eq!(shares[2], 550);
}

#[test]
fn a_node_that_is_added_to_a_running_upstream_comes_up_slowly_and_others_keep_their_state() {
    let mut registry = Registry::new(1);
    let mut value = of_type("roundrobin", &[1, 1]);
    value["labels"] = json!({"tealgate.slow_start_ms": "60000"});
    let before = World::of(&value, &mut registry);
    before.down(1);
    value["nodes"] = json!(nodes(&[2, 2, 2]));
    let after = World::of(&value, &mut registry);
    assert_eq!(after.state(1).counters().status, Status::Unhealthy, "an edit forgets nothing");
    let counts = after.counts(3, 1_100);
    assert_eq!((counts[1], counts[0] > 990, counts[2] > 95), (0, true, true), "{counts:?}");
    drop((before, after));
    registry.sweep();
    assert_eq!(World::of(&value, &mut registry).counts(3, 300), [100, 100, 100], "what is gone is forgotten");
}

fn a_type() -> impl Strategy<Value = &'static str> {
    (0..TYPES.len()).prop_map(|at| TYPES[at])
}

proptest! {
    /// Whatever is down and was tried: who is picked was not tried, is up if any such node is, has a weight if any
    /// has, and there is one as long as a usable node is left.
    #[test]
    fn the_order_of_nodes_holds_for_all_balancers(
        name in a_type(),
        weights in prop::collection::vec(0u32..4, 2..6),
        priorities in prop::collection::vec(0i32..3, 6),
        down in prop::collection::vec(any::<bool>(), 6),
        tried in prop::collection::vec(any::<bool>(), 6),
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let mut value = of_type(name, &weights);
        for (at, priority) in priorities.iter().enumerate().take(weights.len()) {
            value["nodes"][at]["priority"] = json!(priority);
        }
        let world = World::new(&value);
        let usable: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0).collect();
        if world.standing.is_some() {
            usable.iter().filter(|at| down[**at]).for_each(|at| world.down(*at));
        }
        let is_down = |at: usize| world.standing.is_some() && down[at];
        let tried: Vec<usize> = (0..weights.len()).filter(|at| tried[*at]).collect();
        let left: Vec<usize> = usable.iter().copied().filter(|at| !tried.contains(at)).collect();
        let best = left.iter().map(|at| (!is_down(*at), priorities[*at])).max();
        match world.pick(&tried) {
            Err(_) => prop_assert_eq!(best, None),
            Ok(node) => {
                prop_assert!(left.contains(&node));
                prop_assert_eq!(Some((!is_down(node), priorities[node])), best);
            }
        }
    }

    /// With some of the nodes down, roundrobin's counts over the others are exact.
    #[test]
    fn turns_are_exact_among_those_that_are_up(
        weights in prop::collection::vec(1u32..9, 2..6), down in prop::collection::vec(any::<bool>(), 6))
    {
        let world = World::new(&of_type("roundrobin", &weights));
        prop_assume!(down.iter().take(weights.len()).any(|down| !down));
        (0..weights.len()).filter(|at| down[*at]).for_each(|at| world.down(at));
        prop_assume!(down.iter().take(weights.len()).any(|down| *down));
        let up = |at: usize| if down[at] { 0 } else { weights[at] as usize };
        let wanted: Vec<usize> = (0..weights.len()).map(up).collect();
        prop_assert_eq!(world.counts(weights.len(), wanted.iter().sum()), wanted);
    }
}
