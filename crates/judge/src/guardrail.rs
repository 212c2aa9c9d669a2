//! Guardrails: what needs no statistics. A version that answers nothing right, that crashes again and again, or that
//! has no healthy instance is given up at once.
//!
//! They do not fire when Blue is in the same state: then the cause is outside the version (a database, a network), and
//! going back would move every user for nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guardrails {
    /// So many requests failed and not one was answered right.
    pub failed_without_success: u64,
    /// So many restarts of its processes.
    pub restarts: u32,
}

impl Default for Guardrails {
    fn default() -> Self {
        Guardrails { failed_without_success: 10, restarts: 3 }
    }
}

/// One colour in the same window of time as the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seen {
    /// Requests that ended well.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Restarts of its processes.
    pub restarts: u32,
    /// Instances that are healthy; `None`: not known.
    pub healthy: Option<u32>,
}

/// A guardrail that was run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guardrail", rename_all = "snake_case")]
pub enum Broken {
    /// Requests came and none was answered right.
    NoSuccess {
        /// How many failed.
        failed: u64,
    },
    /// Its processes crash.
    CrashLoop {
        /// How often they were restarted.
        restarts: u32,
    },
    /// No instance is healthy.
    NoneHealthy,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::NoSuccess { failed } => {
                write!(f, "all {failed} requests to the new version failed, and not to the old one")
            }
            Broken::CrashLoop { restarts } => {
                write!(f, "the new version was restarted {restarts} times, and the old one was not")
            }
            Broken::NoneHealthy => {
                f.write_str("no instance of the new version is healthy, and of the old one some are")
            }
        }
    }
}

impl Guardrails {
    /// The first guardrail that Green ran into and Blue did not.
    #[must_use]
    pub fn broken(&self, blue: &Seen, green: &Seen) -> Option<Broken> {
        let rails: [fn(&Guardrails, &Seen) -> Option<Broken>; 3] =
            [Guardrails::none_healthy, Guardrails::no_success, Guardrails::crash_loop];
        rails.into_iter().find_map(|rail| rail(self, green).filter(|_| rail(self, blue).is_none()))
    }

    fn none_healthy(&self, seen: &Seen) -> Option<Broken> {
        (seen.healthy == Some(0)).then_some(Broken::NoneHealthy)
    }

    fn no_success(&self, seen: &Seen) -> Option<Broken> {
        let failed = seen.failed;
        (seen.succeeded == 0 && failed >= self.failed_without_success.max(1))
            .then_some(Broken::NoSuccess { failed })
    }

    fn crash_loop(&self, seen: &Seen) -> Option<Broken> {
        let restarts = seen.restarts;
        (restarts >= self.restarts.max(1)).then_some(Broken::CrashLoop { restarts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Seen = Seen { succeeded: 900, failed: 1, restarts: 0, healthy: Some(2) };

    fn broken(blue: Seen, green: Seen) -> Option<Broken> {
        Guardrails::default().broken(&blue, &green)
    }

    #[test]
    fn a_version_that_answers_nothing_right_is_given_up() {
        let dead = Seen { succeeded: 0, failed: 10, ..WELL };
        assert_eq!(broken(WELL, dead), Some(Broken::NoSuccess { failed: 10 }));
        assert_eq!(broken(WELL, Seen { failed: 9, ..dead }), None);
        assert_eq!(broken(WELL, Seen { succeeded: 1, ..dead }), None);
    }

    #[test]
    fn a_crash_loop_and_no_healthy_instance_are_given_up() {
        let crashing = Seen { restarts: 3, ..WELL };
        assert_eq!(broken(WELL, crashing), Some(Broken::CrashLoop { restarts: 3 }));
        let sick = Seen { healthy: Some(0), ..WELL };
        assert_eq!(broken(WELL, sick), Some(Broken::NoneHealthy));
        assert_eq!(broken(WELL, Seen { healthy: None, ..WELL }), None, "unknown is no reason");
    }

    #[test]
    fn nothing_fires_when_the_old_version_is_in_the_same_state() {
        let dead = Seen { succeeded: 0, failed: 50, restarts: 5, healthy: Some(0) };
        assert_eq!(broken(dead, dead), None);
        assert_eq!(broken(Seen { restarts: 0, ..dead }, dead), Some(Broken::CrashLoop { restarts: 5 }));
    }

    #[test]
    fn an_old_version_without_traffic_excuses_nothing() {
        let alone = Seen { succeeded: 0, failed: 0, ..WELL };
        assert!(broken(alone, Seen { succeeded: 0, failed: 10, ..WELL }).is_some());
    }

    #[test]
    fn a_limit_of_nothing_is_read_as_one() {
        let rails = Guardrails { failed_without_success: 0, restarts: 0 };
        assert_eq!(rails.broken(&Seen::default(), &Seen::default()), None);
    }
}
