//! Which request of a weighted mix is sent in which turn: arithmetic, no chance.
//!
//! A turn's place in the mix is the fractional part of turn × golden ratio (Weyl 1916). So any stretch of turns holds
//! each kind nearly as often as its weight says, every n-th turn does, too (so each of n addresses gets the whole mix),
//! and two loops with the same mix send the same in the same turn.

/// 2⁶⁴ divided by the golden ratio, odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Weights, added up.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The sum of the weights up to each kind, its own included.
    ends: Vec<u64>,
}

impl Order {
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Order {
        let mut sum = 0_u64;
        let add = |weight: u32| {
            sum += u64::from(weight);
            sum
        };
        Order { ends: weights.into_iter().map(add).collect() }
    }

    /// The kind of a turn; `None` if no kind has a weight.
    pub(crate) fn kind(&self, turn: u64) -> Option<usize> {
        let total = u128::from(*self.ends.last()?);
        let point = (u128::from(turn.wrapping_mul(GOLDEN)) * total) >> 64;
        let kind = self.ends.partition_point(|&end| u128::from(end) <= point);
        (kind < self.ends.len()).then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use proptest::prelude::*;

    fn counted(order: &Order, turns: impl Iterator<Item = u64>, kinds: usize) -> Vec<u64> {
        let mut counts = vec![0; kinds];
        turns.for_each(|turn| counts[order.kind(turn).unwrap()] += 1);
        counts
    }

    #[test]
    fn nothing_is_sent_of_an_empty_mix() {
        assert_eq!(Order::new([]).kind(7), None);
        assert_eq!(Order::new([0, 0]).kind(7), None);
    }

    #[test]
    fn a_weight_of_zero_is_never_sent() {
        let order = Order::new([0, 3, 0, 1, 0]);
        assert!((0..10_000).all(|turn| matches!(order.kind(turn), Some(1 | 3))));
    }

    proptest! {
        #[test]
        fn each_kind_comes_as_often_as_its_weight_says_on_every_address(
            weights in proptest::collection::vec(1_u32..20, 1..6),
            first in 0_u64..1_000_000,
            addresses in 1_u64..5,
        ) {
            let order = Order::new(weights.iter().copied());
            let total: u32 = weights.iter().sum();
            for address in 0..addresses {
                let turns = (0..2_000).map(|number| first + number * addresses + address);
                let counts = counted(&order, turns, weights.len());
                for (count, weight) in counts.iter().zip(&weights) {
                    let expected = 2_000.0 * f64::from(*weight) / f64::from(total);
                    prop_assert!((*count as f64 - expected).abs() <= 30.0, "{counts:?} of {weights:?}");
                }
            }
        }
    }
}
