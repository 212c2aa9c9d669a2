//! N good probes of the last M: one lucky answer makes nothing ready, one lost packet makes nothing unready. Pure.

use model::target::Readiness;
use std::collections::VecDeque;

/// Most probes that are remembered.
pub(crate) const OF_MAX: u16 = 100;

/// The last answers of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    successes: usize,
    of: usize,
    answers: VecDeque<bool>,
}

impl Window {
    /// An empty window: not ready. Numbers outside 1 ≤ `successes` ≤ `of` ≤ [`OF_MAX`] are pulled into it.
    pub(crate) fn new(readiness: &Readiness) -> Window {
        let of = readiness.of.clamp(1, OF_MAX);
        let successes = readiness.successes.clamp(1, of);
        Window { successes: usize::from(successes), of: usize::from(of), answers: VecDeque::new() }
    }

    /// Adds the newest answer.
    pub(crate) fn record(&mut self, good: bool) {
        if self.answers.len() == self.of {
            self.answers.pop_front();
        }
        self.answers.push_back(good);
    }

    /// Whether enough of the last answers were good.
    pub(crate) fn ready(&self) -> bool {
        self.answers.iter().filter(|good| **good).count() >= self.successes
    }
}

/// Says what is wrong with readiness rules, if anything.
pub(crate) fn faults(readiness: &Readiness) -> Vec<String> {
    let mut faults = Vec::new();
    if !(1..=OF_MAX).contains(&readiness.of) {
        faults.push(format!("readiness.of is {}; it must be 1 to {OF_MAX}", readiness.of));
    }
    if !(1..=readiness.of.max(1)).contains(&readiness.successes) {
        let (successes, of) = (readiness.successes, readiness.of);
        faults
            .push(format!("readiness.successes is {successes}; it must be 1 to readiness.of, which is {of}"));
    }
    for (name, value) in [("interval_ms", readiness.interval_ms), ("timeout_ms", readiness.timeout_ms)] {
        if value == 0 {
            faults.push(format!("readiness.{name} is 0; it must be at least 1"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(successes: u16, of: u16) -> Readiness {
        Readiness { successes, of, ..Readiness::default() }
    }

    #[test]
    fn nothing_is_ready_before_it_was_asked() {
        assert!(!Window::new(&rule(0, 0)).ready());
        assert!(!Window::new(&rule(1, 1)).ready());
    }

    #[test]
    fn impossible_rules_are_named() {
        assert!(faults(&rule(2, 3)).is_empty());
        assert!(faults(&rule(4, 3)).iter().any(|fault| fault.contains("readiness.successes is 4")));
        assert!(faults(&rule(1, 0)).iter().any(|fault| fault.contains("readiness.of is 0")));
        let never = Readiness { interval_ms: 0, ..Readiness::default() };
        assert!(faults(&never).iter().any(|fault| fault.contains("interval_ms")));
    }

    proptest! {
        #[test]
        fn ready_is_n_good_of_the_last_m(
            of in 1_u16..10,
            successes in 1_u16..10,
            answers in prop::collection::vec(any::<bool>(), 0..40),
        ) {
            let successes = successes.min(of);
            let mut window = Window::new(&rule(successes, of));
            for (at, answer) in answers.iter().enumerate() {
                window.record(*answer);
                let from = (at + 1).saturating_sub(usize::from(of));
                let good = answers[from..=at].iter().filter(|good| **good).count();
                prop_assert_eq!(window.ready(), good >= usize::from(successes));
            }
        }
    }
}
