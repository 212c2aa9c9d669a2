//! What an answer was found to say besides its status: a few bits, so that they travel with a request for nothing.

use model::policy::MAX_ANSWER_CHECKS;

/// What was found in one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found(u8);

/// Which version an answer says that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The one that was asked.
    Right,
    /// Another one.
    Other,
    /// It does not say.
    Silent,
}

/// The bits of checks.
const CHECKS: u8 = (1 << MAX_ANSWER_CHECKS) - 1;

impl Found {
    /// Also that it failed the check in this place; places from [`MAX_ANSWER_CHECKS`] on are none.
    #[must_use]
    pub fn failed(self, place: usize) -> Found {
        if place < MAX_ANSWER_CHECKS { Found(self.0 | 1 << place) } else { self }
    }

    /// Also where it comes from.
    #[must_use]
    pub fn from(self, origin: Origin) -> Found {
        let place = match origin {
            Origin::Right => 1,
            Origin::Other => 2,
            Origin::Silent => 3,
        };
        Found(self.0 & CHECKS | place << MAX_ANSWER_CHECKS)
    }

    /// Nothing was asked, or there was nothing to find.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// The checks that it failed, as bits by their places.
    #[must_use]
    pub fn failed_checks(self) -> u8 {
        self.0 & CHECKS
    }

    /// Where it comes from, if it was asked.
    #[must_use]
    pub fn origin(self) -> Option<Origin> {
        match self.0 >> MAX_ANSWER_CHECKS {
            1 => Some(Origin::Right),
            2 => Some(Origin::Other),
            3 => Some(Origin::Silent),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_again() {
        assert!(Found::default().is_nothing() && Found::default().failed(4).is_nothing());
        for origin in [Origin::Right, Origin::Other, Origin::Silent] {
            let found = Found::default().from(Origin::Right).failed(0).failed(3).from(origin);
            assert_eq!((found.failed_checks(), found.origin()), (0b1001, Some(origin)));
        }
        assert_eq!((Found::default().failed(1).origin(), Found::default().failed_checks()), (None, 0));
    }
}
