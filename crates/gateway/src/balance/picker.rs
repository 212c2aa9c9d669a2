//! The balancers over the nodes of one upstream: roundrobin, chash, ewma, least_conn, each within the groups of equal
//! priority (APISIX §2.5, §2.6).
//!
//! The order in which nodes are asked is the same for all: the healthy ones that were not tried, higher priorities
//! first; then what is left, unhealthy as it may be, for a request that is tried is better than one that is not. A
//! node of weight 0 is never asked, unless no node has a weight.

use super::random::Random;
use super::ring::Ring;
use super::smooth;
use super::wheel::Wheel;
use crate::health::Standing;
use model::upstream::{Balancer, HashOn, Upstream};
use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// How often a node is drawn at random before those that fit are counted.
const DRAWS: usize = 8;

/// Picks nodes of one upstream.
#[derive(Debug)]
pub(crate) struct Picker {
    kind: Kind,
    /// Nodes of the same priority, highest first.
    groups: Box<[Group]>,
}

#[derive(Debug)]
enum Kind {
    /// One node is taken whatever the balancer and its weight, as in APISIX (§2.5).
    Single,
    RoundRobin,
    Chash {
        hash_on: HashOn,
        key: String,
    },
    Ewma(Random),
    LeastConn(Random),
    Unknown,
}

/// Nodes of the same priority.
#[derive(Debug)]
struct Group {
    members: Box<[Member]>,
    /// Turns while all are up.
    wheel: Wheel,
    /// Whether all weights are the same: then the wheel is right, too, while some are left out.
    even: bool,
    /// Empty but for `chash`.
    ring: Ring,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    node: usize,
    weight: u32,
}

/// One pick.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The thread that asks.
    pub thread: usize,
    /// Nodes that were tried already.
    pub tried: &'a [usize],
    /// Now, or shortly before.
    pub now: Instant,
}

/// Why no node could be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNode {
    /// There is none, or none is left to try.
    Exhausted,
    /// The balancer's type is not known.
    UnknownBalancer,
}

impl Picker {
    /// A picker for `threads` threads; `seed` tells its random choices from those of others.
    pub(crate) fn new(upstream: &Upstream, nodes: &[(&str, u16)], seed: u64, threads: usize) -> Picker {
        let kind = match &upstream.balancer {
            _ if nodes.len() == 1 => Kind::Single,
            Balancer::RoundRobin => Kind::RoundRobin,
            Balancer::Chash { hash_on, key } => Kind::Chash { hash_on: *hash_on, key: key.clone() },
            Balancer::Ewma => Kind::Ewma(Random::new(seed, threads)),
            Balancer::LeastConn => Kind::LeastConn(Random::new(seed, threads)),
            Balancer::Unknown(_) => Kind::Unknown,
        };
        if matches!(kind, Kind::Single) {
            return Picker { kind, groups: Box::default() };
        }
        let usable = usable(upstream);
        let mut priorities: Vec<i32> = usable.iter().map(|(_, node)| node.priority).collect();
        priorities.sort_unstable_by_key(|priority| Reverse(*priority));
        priorities.dedup();
        let group = |priority: i32| {
            let members: Box<[Member]> = usable
                .iter()
                .filter(|(_, node)| node.priority == priority)
                .map(|(at, node)| Member { node: *at, weight: node.weight })
                .collect();
            let on_ring = members.iter().filter(|_| matches!(kind, Kind::Chash { .. }));
            let on_ring = on_ring.filter_map(|member| {
                nodes.get(member.node).map(|(host, port)| (*host, *port, member.weight, member.node))
            });
            let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
            let even = weights.iter().all(|weight| Some(weight) == weights.first());
            Group { even, wheel: Wheel::new(&weights, threads), ring: Ring::new(on_ring), members }
        };
        let groups = priorities.into_iter().map(group).collect();
        Picker { kind, groups }
    }

    /// The node for the next try of a request.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn pick(
        &self,
        turn: &Turn<'_>,
        standing: Option<&Standing>,
        hash_key: impl FnOnce(HashOn, &str) -> Vec<u8>,
    ) -> Result<usize, NoNode> {
        let key = match &self.kind {
            Kind::Single => return turn.tried.is_empty().then_some(0).ok_or(NoNode::Exhausted),
            Kind::Unknown => return Err(NoNode::UnknownBalancer),
            Kind::Chash { hash_on, key } => hash_key(*hash_on, key),
            Kind::RoundRobin | Kind::Ewma(_) | Kind::LeastConn(_) => Vec::new(),
        };
        let picked = match standing.filter(|standing| !standing.is_clean(turn.now)) {
            None => self.in_order(|group| self.of_clean(group, turn, standing, &key)),
            Some(standing) => {
                let among = |group: &Group, up: bool| {
                    let allowed = |node| standing.is_up(node) == up && !turn.tried.contains(&node);
                    self.of_unclean(group, turn, standing, &key, allowed)
                };
                self.in_order(|group| among(group, true))
                    .or_else(|| self.in_order(|group| among(group, false)))
            }
        };
        picked.ok_or(NoNode::Exhausted)
    }

    fn in_order(&self, of_group: impl FnMut(&Group) -> Option<usize>) -> Option<usize> {
        self.groups.iter().find_map(of_group)
    }

    /// A node of a group all of whose nodes are up with their whole weight.
    fn of_clean(
        &self,
        group: &Group,
        turn: &Turn<'_>,
        standing: Option<&Standing>,
        key: &[u8],
    ) -> Option<usize> {
        match (&self.kind, standing) {
            (Kind::Chash { .. }, None) => group.ring.nodes_for(key).find(|node| !turn.tried.contains(node)),
            (Kind::RoundRobin, _) | (_, None) => group.by_turn(turn),
            (_, Some(standing)) => {
                self.of_unclean(group, turn, standing, key, |node| !turn.tried.contains(&node))
            }
        }
    }

    /// One of the nodes of a group that are `allowed`.
    fn of_unclean(
        &self,
        group: &Group,
        turn: &Turn<'_>,
        standing: &Standing,
        key: &[u8],
        allowed: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let weight = |member: &Member| standing.weight(member.node, member.weight, turn.now);
        let members = group.members.iter().filter(|member| allowed(member.node));
        match &self.kind {
            // Who looks for nobody would go around the whole ring.
            Kind::Chash { .. } if members.clone().next().is_none() => None,
            Kind::Chash { .. } => group.ring.nodes_for(key).find(|node| allowed(*node)),
            Kind::Ewma(random) => by_response_time(random, group, turn, standing, allowed),
            Kind::LeastConn(random) => {
                // Ties are decided by chance: with little traffic all nodes have nothing open.
                let first = random.below(turn.thread, group.members.len());
                let (before, after) = group.members.split_at(first);
                let members = after.iter().chain(before).filter(|member| allowed(member.node));
                let load = |member: &Member| {
                    let open = standing.load(member.node, turn.thread)?.open.load(Relaxed);
                    Some((member.node, u128::from(open) + 1, u128::from(weight(member).max(1))))
                };
                let least = members.filter_map(load).reduce(|best, other| {
                    // (1 + open) / weight, without dividing.
                    if other.1 * best.2 < best.1 * other.2 { other } else { best }
                });
                least.map(|(node, ..)| node)
            }
            Kind::RoundRobin if group.even && !standing.has_slow_start() => {
                (0..group.members.len()).filter_map(|_| group.next(turn.thread)).find(|node| allowed(*node))
            }
            Kind::Single | Kind::RoundRobin | Kind::Unknown => smooth::pick(members.filter_map(|member| {
                let ahead = &standing.load(member.node, turn.thread)?.ahead;
                Some(smooth::Entry { node: member.node, weight: weight(member), ahead })
            })),
        }
    }

    /// The nodes that can get requests at all.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().flat_map(|group| group.members.iter().map(|member| member.node))
    }

    /// Whether requests that are open are counted for the choice.
    pub(crate) fn counts_open(&self) -> bool {
        matches!(self.kind, Kind::LeastConn(_))
    }
}

/// The quicker one of two that are drawn at random. As in APISIX, weights do not matter here; the share of a node
/// that comes up does.
fn by_response_time(
    random: &Random,
    group: &Group,
    turn: &Turn<'_>,
    standing: &Standing,
    allowed: impl Fn(usize) -> bool,
) -> Option<usize> {
    let draw = |below: usize| random.below(turn.thread, below);
    let any_but = |other: Option<usize>| {
        let fits = |node: &usize| Some(*node) != other && allowed(*node);
        let drawn = || group.members.get(draw(group.members.len())).map(|member| member.node);
        // Most nodes fit, mostly; if not, those that do are counted.
        (0..DRAWS).filter_map(|_| drawn()).find(fits).or_else(|| {
            let fitting = || group.members.iter().map(|member| member.node).filter(fits);
            fitting().nth(draw(fitting().count()))
        })
    };
    let one = any_but(None)?;
    let Some(two) = any_but(Some(one)) else { return Some(one) };
    // A node that comes up is new and looks quick: it is taken only as often as its share says.
    let ready =
        |node| draw(1_000) < usize::try_from(standing.weight(node, 1, turn.now)).unwrap_or(usize::MAX);
    let now_us = standing.at_us(turn.now);
    let score = |node| standing.load(node, turn.thread).map_or(0.0, |load| super::ewma::score(load, now_us));
    match (ready(one), ready(two)) {
        (true, false) => Some(one),
        (false, true) => Some(two),
        _ if score(two) < score(one) => Some(two),
        _ => Some(one),
    }
}

/// The nodes that have a weight, with their places; all, if none has one.
fn usable(upstream: &Upstream) -> Vec<(usize, &model::upstream::Node)> {
    let none = upstream.nodes.iter().all(|node| node.weight == 0);
    upstream.nodes.iter().enumerate().filter(|(_, node)| none || node.weight > 0).collect()
}

impl Group {
    fn by_turn(&self, turn: &Turn<'_>) -> Option<usize> {
        if turn.tried.is_empty() {
            return self.next(turn.thread);
        }
        // A retry: the wheel goes on, skipping what was tried; if its weights hide a node, take that one at last.
        let turns = (0..self.members.len()).filter_map(|_| self.next(turn.thread));
        let nodes = self.members.iter().map(|member| member.node);
        turns.chain(nodes).find(|node| !turn.tried.contains(node))
    }

    fn next(&self, thread: usize) -> Option<usize> {
        self.members.get(self.wheel.next(thread)?).map(|member| member.node)
    }
}

#[cfg(test)]
mod tests;
