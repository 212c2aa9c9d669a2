//! The status of a node and the four counters that decide it, as in APISIX (lua-resty-healthcheck). Pure.
//!
//! A success sets the counters of failures back, and a failure that of successes. What cannot change the status, a
//! success on a healthy node or a failure on an unhealthy one, is not counted.

/// How a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// Gets requests.
    #[default]
    Healthy,
    /// Gets requests; failures were counted, not yet enough.
    MostlyHealthy,
    /// Gets none; successes were counted, not yet enough.
    MostlyUnhealthy,
    /// Gets none while others of its upstream are healthy.
    Unhealthy,
}

impl Status {
    /// As APISIX writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::MostlyHealthy => "mostly_healthy",
            Status::MostlyUnhealthy => "mostly_unhealthy",
            Status::Unhealthy => "unhealthy",
        }
    }

    /// Whether it gets requests.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Status::Healthy | Status::MostlyHealthy)
    }
}

/// Something that was seen of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Success,
    HttpFailure,
    TcpFailure,
    Timeout,
}

/// A node's status and what was counted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) status: Status,
    pub(crate) successes: u8,
    pub(crate) http_failures: u8,
    pub(crate) tcp_failures: u8,
    pub(crate) timeouts: u8,
}

impl Counters {
    /// After an event of which `limit` in a row change the status; 0: they never do.
    #[must_use]
    pub(crate) fn after(self, event: Event, limit: u8) -> Counters {
        let good = event == Event::Success;
        let settled = if good { Status::Healthy } else { Status::Unhealthy };
        if limit == 0 || self.status == settled {
            return self;
        }
        let mut next = if good {
            Counters { successes: self.successes, status: self.status, ..Counters::default() }
        } else {
            Counters { successes: 0, ..self }
        };
        let counter = match event {
            Event::Success => &mut next.successes,
            Event::HttpFailure => &mut next.http_failures,
            Event::TcpFailure => &mut next.tcp_failures,
            Event::Timeout => &mut next.timeouts,
        };
        *counter = counter.saturating_add(1);
        next.status = match self.status {
            _ if *counter >= limit => settled,
            Status::Healthy => Status::MostlyHealthy,
            Status::Unhealthy => Status::MostlyUnhealthy,
            between => between,
        };
        next
    }

    /// As one word.
    #[must_use]
    pub(crate) fn pack(self) -> u64 {
        let status = match self.status {
            Status::Healthy => 0,
            Status::MostlyHealthy => 1,
            Status::MostlyUnhealthy => 2,
            Status::Unhealthy => 3,
        };
        u64::from_le_bytes([
            status,
            self.successes,
            self.http_failures,
            self.tcp_failures,
            self.timeouts,
            0,
            0,
            0,
        ])
    }

    /// From [`Counters::pack`].
    #[must_use]
    pub(crate) fn unpack(word: u64) -> Counters {
        let [status, successes, http_failures, tcp_failures, timeouts, ..] = word.to_le_bytes();
        let status = match status {
            0 => Status::Healthy,
            1 => Status::MostlyHealthy,
            2 => Status::MostlyUnhealthy,
            _ => Status::Unhealthy,
        };
        Counters { status, successes, http_failures, tcp_failures, timeouts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            Just(Event::Success),
            Just(Event::HttpFailure),
            Just(Event::TcpFailure),
            Just(Event::Timeout)
        ];
        prop::collection::vec(event, 0..200)
    }

    fn after(events: &[Event], limit: u8) -> Counters {
        events.iter().fold(Counters::default(), |counters, event| counters.after(*event, limit))
    }

    #[test]
    fn a_node_falls_with_the_last_failure_of_a_row_and_rises_with_the_last_success() {
        use Event::{HttpFailure, Success};
        let names = |events: &[Event]| {
            let mut counters = Counters::default();
            let step = |event: &Event| {
                counters = counters.after(*event, 2);
                counters.status.name()
            };
            events.iter().map(step).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&[HttpFailure, HttpFailure, Success, Success]),
            ["mostly_healthy", "unhealthy", "mostly_unhealthy", "healthy"]
        );
        assert_eq!(names(&[HttpFailure, Success, HttpFailure]), ["mostly_healthy"; 3]);
    }

    #[test]
    fn kinds_of_failures_are_counted_apart() {
        let counters = after(&[Event::HttpFailure, Event::TcpFailure, Event::Timeout], 2);
        assert_eq!(counters.status, Status::MostlyHealthy);
        assert_eq!((counters.http_failures, counters.tcp_failures, counters.timeouts), (1, 1, 1));
    }

    #[test]
    fn a_limit_of_zero_counts_nothing() {
        assert_eq!(after(&[Event::Timeout; 9], 0), Counters::default());
    }

    proptest! {
        #[test]
        fn a_word_holds_the_whole_state(events in events(), limit in 1u8..=254) {
            let counters = after(&events, limit);
            prop_assert_eq!(Counters::unpack(counters.pack()), counters);
        }

        /// A node is down only if as many failures of one kind came without a success between as the limit says.
        #[test]
        fn no_node_falls_without_a_row_of_failures(events in events(), limit in 1u8..5) {
            let mut counters = Counters::default();
            let mut row = [0u8; 3];
            for event in events {
                let was_up = counters.status.is_up();
                counters = counters.after(event, limit);
                match event {
                    Event::Success => row = [0; 3],
                    Event::HttpFailure => row[0] = row[0].saturating_add(1),
                    Event::TcpFailure => row[1] = row[1].saturating_add(1),
                    Event::Timeout => row[2] = row[2].saturating_add(1),
                }
                if was_up {
                    prop_assert_eq!(counters.status.is_up(), row.iter().all(|count| *count < limit));
                }
            }
        }

        #[test]
        fn enough_successes_always_bring_a_node_back(events in events(), limit in 1u8..=254) {
            let mut counters = after(&events, limit);
            for _ in 0..limit {
                counters = counters.after(Event::Success, limit);
            }
            prop_assert_eq!(counters.status, Status::Healthy);
        }
    }
}
