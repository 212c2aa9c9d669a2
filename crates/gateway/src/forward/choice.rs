//! Which node a try goes to: the one that the balancer picks, unless its name leads nowhere at the moment and another node can be
//! had instead. Such a node is passed over without a try, and its name is asked for meanwhile.

use crate::table::{NoNode, Target, Turn};
use crate::worker::Worker;
use model::upstream::HashOn;
use smallvec::SmallVec;

/// The node for the next try of a request.
///
/// # Errors
/// When there is none.
pub(super) fn choose(
    worker: &Worker,
    target: &Target,
    turn: &Turn<'_>,
    hash_key: impl Fn(HashOn, &str) -> Vec<u8> + Copy,
) -> Result<usize, NoNode> {
    let node = target.pick(turn, hash_key)?;
    if !worker.resolver.has_unknown() {
        return Ok(node);
    }
    let leads_nowhere = |node: usize| {
        let name = target.nodes.get(node).filter(|node| node.address.is_none());
        name.is_some_and(|node| worker.resolver.leads_nowhere(&node.host, turn.now))
    };
    Ok(leading_somewhere(target, turn, node, hash_key, leads_nowhere))
}

/// The node that was `picked`, or the next one that does not lead nowhere; if all do, the former.
fn leading_somewhere(
    target: &Target,
    turn: &Turn<'_>,
    picked: usize,
    hash_key: impl Fn(HashOn, &str) -> Vec<u8> + Copy,
    leads_nowhere: impl Fn(usize) -> bool,
) -> usize {
    let mut passed = SmallVec::<[usize; 8]>::from_slice(turn.tried);
    let mut node = picked;
    while leads_nowhere(node) {
        passed.push(node);
        match target.pick(&Turn { tried: &passed, ..*turn }, hash_key) {
            Ok(other) => node = other,
            Err(_) => return picked,
        }
    }
    node
}
