//! Leases with fencing tokens, and the rules of their hand-over.
//!
//! A lease says who may drive a release. Its end by the clock only lets another take it; what keeps the former holder
//! from writing is the *fence*, which every write of a release carries and the store checks in the same transaction.
//! The rules are pure; the stores keep a [`Tenure`] per name for ever, because a fence must never go back.

use crate::error::StoreError;

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows with every change of holder, also when it is given back; a write with another one is refused.
    pub fence: u64,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
}

/// What is remembered of a lease, held or not. The default is a lease that nobody ever took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tenure {
    /// The holder; `None` when it is free.
    pub(crate) holder: Option<String>,
    /// The newest fence; 0 before the first holder.
    pub(crate) fence: u64,
    /// When it ends, milliseconds since the Unix epoch.
    pub(crate) expires_at_ms: i64,
}

impl Tenure {
    /// The tenure after `holder` asked for it; `None` if someone else has it at `now_ms`.
    pub(crate) fn acquired(&self, holder: &str, ttl_ms: u64, now_ms: i64) -> Option<Tenure> {
        let expires_at_ms = now_ms.saturating_add_unsigned(ttl_ms);
        let fence = match &self.holder {
            Some(current) if current == holder => self.fence,
            Some(_) if self.expires_at_ms > now_ms => return None,
            _ => self.fence + 1,
        };
        Some(Tenure { holder: Some(holder.to_owned()), fence, expires_at_ms })
    }

    /// The tenure after the holder of `fence` gave it back; `None` if it is not the caller's any more.
    pub(crate) fn given_back(&self, fence: u64) -> Option<Tenure> {
        (self.holder.is_some() && self.fence == fence).then(|| Tenure {
            holder: None,
            fence: fence + 1,
            expires_at_ms: self.expires_at_ms,
        })
    }

    /// Whether a write with `fence` may happen.
    pub(crate) fn admits(&self, name: &str, fence: u64) -> Result<(), StoreError> {
        if self.holder.is_some() && self.fence == fence {
            return Ok(());
        }
        Err(StoreError::Fenced { name: name.to_owned(), fence, current: self.fence })
    }

    /// The lease, if it is held.
    pub(crate) fn lease(self, name: &str) -> Option<Lease> {
        let holder = self.holder?;
        Some(Lease { name: name.to_owned(), holder, fence: self.fence, expires_at_ms: self.expires_at_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lease_ends_at_its_last_millisecond() {
        let held = Tenure::default().acquired("a", 10, 100).unwrap();
        assert_eq!(held.acquired("b", 10, 109), None);
        assert_eq!(held.acquired("b", 10, 110).unwrap().fence, 2);
    }

    #[test]
    fn an_endless_lease_does_not_overflow() {
        let held = Tenure::default().acquired("a", u64::MAX, i64::MAX - 1).unwrap();
        assert_eq!(held.expires_at_ms, i64::MAX);
    }

    proptest! {
        #[test]
        fn the_fence_grows_with_every_change_of_holder_and_only_then(
            steps in prop::collection::vec((0_u8..4, 0_u8..3, 0_u64..50, -20_i64..60), 1..60),
        ) {
            let mut now = 0_i64;
            let mut tenure = Tenure::default();
            for (action, who, ttl, forward) in steps {
                now += forward;
                let next = if action == 0 { tenure.given_back(tenure.fence) }
                    else { tenure.acquired(&who.to_string(), ttl, now) };
                if let Some(next) = next {
                    let changed = next.holder != tenure.holder;
                    prop_assert_eq!(next.fence, tenure.fence + u64::from(changed));
                    prop_assert!(tenure.fence == next.fence || next.admits("l", tenure.fence).is_err());
                    tenure = next;
                }
            }
        }
    }
}
