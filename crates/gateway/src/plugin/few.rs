//! A list that is nearly always short: its first items need no allocation.
//!
//! Unlike `SmallVec` it may stand in for one of shorter-lived items, which what a request carries around needs.

/// Items in the order in which they were pushed, `N` of them in place.
#[derive(Debug)]
pub(super) struct Few<T, const N: usize> {
    first: [Option<T>; N],
    more: Vec<T>,
    len: usize,
}

impl<T, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few { first: [const { None }; N], more: Vec::new(), len: 0 }
    }
}

impl<T, const N: usize> Few<T, N> {
    pub(super) fn push(&mut self, item: T) {
        match self.first.get_mut(self.len) {
            Some(free) => *free = Some(item),
            None => self.more.push(item),
        }
        self.len += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        let first = self.first.get(..self.len.min(N)).unwrap_or_default();
        first.iter().flatten().chain(&self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_the_order_in_which_they_were_pushed() {
        for count in 0..6 {
            let mut few = Few::<usize, 3>::default();
            (0..count).for_each(|item| few.push(item));
            assert_eq!(few.iter().copied().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            assert_eq!(few.iter().next_back().copied(), count.checked_sub(1));
            assert_eq!(few.is_empty(), count == 0);
        }
    }
}
