//! A panel: the watches of one release side by side, as the guard in a gateway and the judge of a release hold it.
//!
//! Made once, when the terms are armed; a look allocates nothing and costs some hundred nanoseconds per metric while
//! nothing fails.

use crate::budget::{Charge, Terms};
use crate::tally::Tally;
use crate::watch::{Crossing, Watch};
use serde::{Deserialize, Serialize};

/// A crossing, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Place of the charge in [`Terms::charges`].
    pub charge: usize,
    /// When, and on which evidence.
    pub crossing: Crossing,
}

/// The comparisons of one release under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    seats: Vec<Seat>,
}

/// One comparison and what it was armed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seat {
    charge: Charge,
    watch: Watch,
}

impl Panel {
    /// Arms the comparisons of a release.
    #[must_use]
    pub fn armed(terms: &Terms) -> Panel {
        let watch = |charge: &Charge| match charge.metric.slot() {
            Some(slot) => Watch::in_slots(charge.bound, slot),
            None => Watch::armed(charge.bound),
        };
        let seat = |charge: &Charge| Seat { charge: charge.clone(), watch: watch(charge) };
        Panel { seats: terms.charges.iter().map(seat).collect() }
    }

    /// Looks at the cumulative counters of both colours, one tally a charge in the order of the terms; what is not
    /// given was not looked at. From the first crossing on, every look returns the earliest one. For `stratum` see
    /// [`Watch::observe`].
    pub fn observe(&mut self, at_ms: i64, stratum: u64, blue: &[Tally], green: &[Tally]) -> Option<Alarm> {
        for ((seat, blue), green) in self.seats.iter_mut().zip(blue).zip(green) {
            seat.watch.observe(at_ms, stratum, *blue, *green);
        }
        self.alarm()
    }

    /// Adds one window of units that were counted apart, such as users ([`crate::keys`]); one tally a charge.
    pub fn add_window(&mut self, at_ms: i64, blue: &[Tally], green: &[Tally]) {
        for ((seat, blue), green) in self.seats.iter_mut().zip(blue).zip(green) {
            seat.watch.add_window(at_ms, *blue, *green);
        }
    }

    /// Units of either colour that a window must have to be one for every comparison.
    pub(crate) fn min_units(&self) -> u64 {
        self.seats.iter().map(|seat| seat.charge.bound.min_units()).max().unwrap_or(1)
    }

    /// The earliest crossing; of several at one look the first in the order of the terms.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm> {
        let crossings = self.seats.iter().enumerate();
        let alarms = crossings.filter_map(|(charge, seat)| {
            let crossing = seat.watch.crossing()?;
            Some(Alarm { charge, crossing })
        });
        alarms.min_by_key(|alarm| alarm.crossing.at_ms)
    }

    /// What a charge was armed with, and how its comparison stands.
    #[must_use]
    pub fn get(&self, charge: usize) -> Option<(&Charge, &Watch)> {
        self.seats.get(charge).map(|seat| (&seat.charge, &seat.watch))
    }

    /// What each was armed with, and how it stands.
    pub(crate) fn comparisons(&self) -> impl Iterator<Item = (&Charge, &Watch)> {
        self.seats.iter().map(|seat| (&seat.charge, &seat.watch))
    }
}
