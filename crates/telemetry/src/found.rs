//! What an answer was found to say besides its status: a few bits, so that they travel with a request for nothing.

use model::policy::MAX_ANSWER_CHECKS;

/// What was found in one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found(u32);

/// What a check of the business has said of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is content.
    Passed,
    /// It is not.
    Failed,
    /// It could not look: neither.
    Unexamined,
}

/// Why checks that look into bodies could not look at an answer. Where several are true, the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It has failed already, broke off, or is the gate's own.
    Failed,
    /// It has no body: HEAD, 204, an empty one.
    NoBody,
    /// It does not say that it is JSON.
    NotJson,
    /// It is a part (206).
    Part,
    /// It is JSON, and compressed.
    Compressed,
    /// It is JSON, and longer than what is kept.
    TooLarge,
    /// It is JSON that came when the memory for bodies was in use, or as many bytes as a second has were looked at.
    Busy,
}

impl Hindrance {
    /// Each of them.
    pub const ALL: [Hindrance; 7] = [
        Hindrance::Failed,
        Hindrance::NoBody,
        Hindrance::NotJson,
        Hindrance::Part,
        Hindrance::Compressed,
        Hindrance::TooLarge,
        Hindrance::Busy,
    ];
}

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

/// The bits of all checks, for one outcome.
const CHECKS: u32 = (1 << MAX_ANSWER_CHECKS) - 1;
/// Where the bits of the outcomes begin, then those of the origin.
const FAILED: usize = 0;
const PASSED: usize = MAX_ANSWER_CHECKS;
const UNEXAMINED: usize = 2 * MAX_ANSWER_CHECKS;
const ORIGIN: usize = 3 * MAX_ANSWER_CHECKS;
/// Three bits: 0, or which hindrance it is, from 1 on.
const HINDRANCE: usize = ORIGIN + 2;

impl Found {
    /// Also what the check in this place has said; places from [`MAX_ANSWER_CHECKS`] on are none.
    #[must_use]
    pub fn checked(self, place: usize, outcome: Outcome) -> Found {
        if place >= MAX_ANSWER_CHECKS {
            return self;
        }
        let all = 1 << (FAILED + place) | 1 << (PASSED + place) | 1 << (UNEXAMINED + place);
        let first = match outcome {
            Outcome::Failed => FAILED,
            Outcome::Passed => PASSED,
            Outcome::Unexamined => UNEXAMINED,
        };
        Found(self.0 & !all | 1 << (first + place))
    }

    /// Also where it comes from.
    #[must_use]
    pub fn from(self, origin: Origin) -> Found {
        let place = match origin {
            Origin::Right => 1,
            Origin::Other => 2,
            Origin::Silent => 3,
        };
        Found(self.0 & !(3 << ORIGIN) | place << ORIGIN)
    }

    /// Also what kept checks from looking into its body; `None`: nothing did.
    #[must_use]
    pub fn hindered(self, why: Option<Hindrance>) -> Found {
        let number = why.map_or(0, |why| why as u32 + 1);
        Found(self.0 & !(7 << HINDRANCE) | number << HINDRANCE)
    }

    /// What kept checks from looking into its body.
    #[must_use]
    pub fn hindrance(self) -> Option<Hindrance> {
        let number = self.0 >> HINDRANCE & 7;
        Hindrance::ALL.into_iter().find(|why| *why as u32 + 1 == number)
    }

    /// Nothing was asked.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// The checks that have said this, as bits by their places.
    #[must_use]
    pub fn checks(self, outcome: Outcome) -> u8 {
        let first = match outcome {
            Outcome::Failed => FAILED,
            Outcome::Passed => PASSED,
            Outcome::Unexamined => UNEXAMINED,
        };
        u8::try_from(self.0 >> first & CHECKS).unwrap_or(0)
    }

    /// Where it comes from, if it was asked.
    #[must_use]
    pub fn origin(self) -> Option<Origin> {
        match self.0 >> ORIGIN & 3 {
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

    fn all(found: Found) -> [u8; 3] {
        [Outcome::Failed, Outcome::Passed, Outcome::Unexamined].map(|outcome| found.checks(outcome))
    }

    #[test]
    fn what_was_put_in_is_found_again() {
        assert!(Found::default().is_nothing() && Found::default().checked(4, Outcome::Failed).is_nothing());
        for origin in [Origin::Right, Origin::Other, Origin::Silent] {
            let found = Found::default().from(Origin::Right).checked(0, Outcome::Failed);
            let found = found.checked(3, Outcome::Passed).checked(1, Outcome::Unexamined).from(origin);
            assert_eq!((all(found), found.origin()), ([0b1, 0b1000, 0b10], Some(origin)));
        }
        assert_eq!(Found::default().checked(1, Outcome::Passed).origin(), None);
    }

    #[test]
    fn a_hindrance_is_told_and_taken_back() {
        let found = Found::default().from(Origin::Silent).checked(3, Outcome::Unexamined);
        for why in Hindrance::ALL {
            let hindered = found.hindered(Some(Hindrance::Busy)).hindered(Some(why));
            assert_eq!((hindered.hindrance(), hindered.origin()), (Some(why), Some(Origin::Silent)));
            assert_eq!(hindered.hindered(None), found);
        }
        assert_eq!(found.hindrance(), None);
    }

    #[test]
    fn what_is_said_last_counts() {
        let found = Found::default().from(Origin::Other);
        for outcome in [Outcome::Failed, Outcome::Passed, Outcome::Unexamined] {
            let found = found.checked(2, Outcome::Unexamined).checked(2, outcome);
            assert_eq!((found.checks(outcome), all(found).iter().sum::<u8>()), (0b100, 0b100));
            assert_eq!(found.origin(), Some(Origin::Other));
        }
    }
}
