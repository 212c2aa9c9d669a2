//! How many retries an upstream gets, so that an outage is not multiplied: a node that is overloaded is not helped by
//! asking its neighbours the same again and again.
//!
//! In each second a thread may spend retries for a share of its requests to the upstream, and a few more so that an
//! upstream with little traffic has some. A retry that brings an answer is given back: what helps is no burden.

use crate::per_thread::PerThread;
use crate::timer::TICK_MS;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Length of a window, in ticks of [`TICK_MS`]: a second.
const WINDOW_TICKS: u64 = 1_000 / TICK_MS;

/// The retries of one upstream.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    rule: BudgetRule,
    threads: PerThread<Window>,
}

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetRule {
    /// Retries for each 100 requests.
    pub percent: u32,
    /// Retries in each second whatever the number of requests.
    pub min_per_s: u32,
}

impl Default for BudgetRule {
    fn default() -> Self {
        BudgetRule { percent: 20, min_per_s: 10 }
    }
}

impl BudgetRule {
    /// The part of one of `threads` threads; rounded up, so that a minimum does not vanish.
    pub(crate) fn of_one_thread(self, threads: usize) -> BudgetRule {
        let threads = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        BudgetRule { min_per_s: self.min_per_s.div_ceil(threads), ..self }
    }
}

/// What a thread has sent in the current second. Only that thread writes it.
#[derive(Debug, Default)]
struct Window {
    number: AtomicU64,
    requests: AtomicU64,
    /// Requests of the second before: at the begin of a second, they say how many there are.
    requests_before: AtomicU64,
    retries: AtomicU64,
}

impl RetryBudget {
    pub(crate) fn new(rule: BudgetRule, threads: usize) -> RetryBudget {
        RetryBudget { rule, threads: PerThread::new(threads, |_| Window::default()) }
    }

    /// A request comes, at this tick.
    pub(crate) fn request(&self, thread: usize, tick: u64) {
        add(&self.at(thread, tick).requests, 1);
    }

    /// Spends a retry, if there is one left.
    pub(crate) fn spend(&self, thread: usize, tick: u64) -> bool {
        let window = self.at(thread, tick);
        let requests = window.requests.load(Relaxed).max(window.requests_before.load(Relaxed));
        let share = requests.saturating_mul(u64::from(self.rule.percent)) / 100;
        let left = window.retries.load(Relaxed) < share.saturating_add(u64::from(self.rule.min_per_s));
        if left {
            add(&window.retries, 1);
        }
        left
    }

    /// Gives a retry back that brought an answer.
    pub(crate) fn give_back(&self, thread: usize, tick: u64) {
        let retries = &self.at(thread, tick).retries;
        retries.store(retries.load(Relaxed).saturating_sub(1), Relaxed);
    }

    fn at(&self, thread: usize, tick: u64) -> &Window {
        let window = self.threads.get(thread);
        let (number, before) = (tick / WINDOW_TICKS, window.number.load(Relaxed));
        if number != before {
            let requests = if number == before + 1 { window.requests.load(Relaxed) } else { 0 };
            window.requests_before.store(requests, Relaxed);
            window.requests.store(0, Relaxed);
            window.retries.store(0, Relaxed);
            window.number.store(number, Relaxed);
        }
        window
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).saturating_add(more), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(percent: u32, min_per_s: u32) -> RetryBudget {
        RetryBudget::new(BudgetRule { percent, min_per_s }, 2)
    }

    fn spent(budget: &RetryBudget, thread: usize, tick: u64) -> usize {
        (0..10_000).take_while(|_| budget.spend(thread, tick)).count()
    }

    #[test]
    fn a_share_of_the_requests_and_a_few_more_can_be_spent() {
        let budget = budget(20, 10);
        (0..1_000).for_each(|_| budget.request(0, 5));
        assert_eq!(spent(&budget, 0, 5), 210);
        assert_eq!(spent(&budget, 1, 5), 10, "each thread spends its own");
    }

    #[test]
    fn a_new_second_begins_with_what_the_last_one_was_like() {
        let budget = budget(20, 0);
        (0..100).for_each(|_| budget.request(0, 0));
        assert_eq!(spent(&budget, 0, WINDOW_TICKS), 20);
        assert_eq!(spent(&budget, 0, 3 * WINDOW_TICKS), 0, "a second without requests has none");
    }

    #[test]
    fn what_helped_is_given_back() {
        let budget = budget(0, 1);
        for _ in 0..100 {
            assert!(budget.spend(0, 0));
            budget.give_back(0, 0);
        }
        assert!(budget.spend(0, 0));
        assert!(!budget.spend(0, 0));
    }

    proptest! {
        /// Whatever the order of things, no second sees more unhelpful retries than it may.
        #[test]
        fn no_second_spends_more_than_its_share(
            seconds in prop::collection::vec(0u64..50, 1..10), percent in 0u32..=100, min_per_s in 0u32..5)
        {
            let budget = budget(percent, min_per_s);
            let mut before = 0;
            for (second, requests) in (0u64..).zip(seconds) {
                (0..requests).for_each(|_| budget.request(0, second * WINDOW_TICKS));
                let most = requests.max(before) * u64::from(percent) / 100 + u64::from(min_per_s);
                prop_assert_eq!(spent(&budget, 0, second * WINDOW_TICKS) as u64, most);
                before = requests;
            }
        }
    }
}
