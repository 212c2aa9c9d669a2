//! Consistent hashing as APISIX's (`resty.chash`, APISIX §2.6): a ketama ring of 160 points per unit of weight.

/// A ring over weighted nodes.
#[derive(Debug)]
pub(crate) struct Ring {
    /// (point, node), sorted by point.
    points: Box<[(u32, u32)]>,
}

const POINTS_PER_WEIGHT: usize = 160;
/// Bound on the size of a ring; weights are divided by their gcd first and scaled down beyond this.
const MAX_POINTS: usize = 1 << 20;

impl Ring {
    /// Builds the ring of nodes given as (host, port, weight, number). Nodes of weight 0 get no points.
    #[must_use]
    pub(crate) fn new<'a>(nodes: impl IntoIterator<Item = (&'a str, u16, u32, usize)>) -> Ring {
        let nodes: Vec<_> = nodes.into_iter().collect();
        let gcd = nodes.iter().map(|(_, _, weight, _)| *weight).fold(0, gcd).max(1);
        let total: usize = nodes.iter().map(|(_, _, weight, _)| (weight / gcd) as usize).sum();
        let scale = (total * POINTS_PER_WEIGHT).div_ceil(MAX_POINTS).max(1);
        let mut points = Vec::with_capacity((total * POINTS_PER_WEIGHT / scale).min(MAX_POINTS));
        for (host, port, weight, number) in nodes {
            let count = (weight / gcd) as usize * POINTS_PER_WEIGHT / scale;
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            points_of(&format!("{host}\0{port}"), count, |point| points.push((point, number)));
        }
        points.sort_unstable();
        Ring { points: points.into() }
    }

    /// The nodes for a key, nearest first; each node may come several times. Empty when all weights are 0.
    pub(crate) fn nodes_for(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let hash = crc32fast::hash(key);
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, node)| *node as usize)
    }
}

/// The points of one node: a chain of CRC-32 sums, each continued from the sum of the node's id over the point before.
fn points_of(id: &str, count: usize, mut emit: impl FnMut(u32)) {
    let base = crc32fast::hash(id.as_bytes());
    let mut previous = 0u32;
    for _ in 0..count {
        let mut hasher = crc32fast::Hasher::new_with_initial(base);
        hasher.update(&previous.to_le_bytes());
        previous = hasher.finalize();
        emit(previous);
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(ring: &Ring, key: &str) -> Option<usize> {
        ring.nodes_for(key.as_bytes()).next()
    }

    #[test]
    fn keys_fall_on_the_nodes_that_apisix_documents() {
        let ring = Ring::new([("127.0.0.1", 1981, 1, 0), ("127.0.0.1", 1982, 1, 1)]);
        assert_eq!(owner(&ring, "world"), Some(0));
        assert_eq!(owner(&ring, "hello"), Some(1));
    }

    #[test]
    fn taking_a_node_away_moves_only_its_keys() {
        let three = Ring::new([("a", 1, 1, 0), ("b", 1, 1, 1), ("c", 1, 1, 2)]);
        let two = Ring::new([("a", 1, 1, 0), ("b", 1, 1, 1), ("c", 1, 0, 2)]);
        for key in (0..1_000).map(|n| format!("key{n}")) {
            let before = owner(&three, &key);
            if before != Some(2) {
                assert_eq!(owner(&two, &key), before);
            }
        }
    }

    #[test]
    fn without_weights_there_is_no_owner() {
        assert_eq!(owner(&Ring::new([("a", 1, 0, 0)]), "k"), None);
    }
}
