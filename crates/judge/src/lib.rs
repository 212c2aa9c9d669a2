//! The judge: exact counts in, a verdict and its evidence out.
//!
//! Pure functions over numbers. No I/O, no clock, no smoothing: who asks decides over which window was counted. Its
//! verdict is pass, fail or inconclusive, never silence; what is not known is never a pass.
//!
//! Here *Blue* is always the live version and *Green* the new one, whichever colours their environments have.
//!
//! # How it is used
//!
//! A release splits its budget of false alarms into [`budget::Terms`], once. They are data: the plan holds them, and a
//! gateway is armed with them. Whoever sees the counters makes a [`panel::Panel`] of them and shows it the cumulative
//! counts of both colours, as often as it likes: looking costs nothing, statistically, and next to nothing otherwise.
//!
//! ```
//! use judge::budget::{Budget, Unit};
//! use judge::metric::Metric;
//! use judge::panel::Panel;
//! use judge::tally::Tally;
//!
//! let terms = Budget::default().terms(&[Metric::Failures], Unit::Request)?;
//! let mut panel = Panel::armed(&terms);
//! // 20 ms later, under epoch 7 of the split: Blue answered 180 requests, Green 20, nothing failed.
//! assert_eq!(panel.observe(1_000, 7, &[Tally::new(180, 0)], &[Tally::new(20, 0)]), None);
//! // Later: of Green's next 20 requests 7 failed.
//! let alarm = panel.observe(2_000, 7, &[Tally::new(360, 0)], &[Tally::new(40, 7)]).expect("an alarm");
//! assert!(alarm.crossing.e_value >= alarm.crossing.threshold);
//! # Ok::<(), judge::budget::InvalidBudget>(())
//! ```
//!
//! The **guard** in a gateway calls [`panel::Panel::observe`] from a control thread and trips at the first
//! [`panel::Alarm`]. The counters are those of one epoch of the split (the `stratum`), of user traffic only; several
//! gateways either share one panel through the sum of their counters, or split the budget ([`budget::Budget::gateways`]).
//! The **judge** of a release does the same on what all gateways reported.
//!
//! What the counts must be: whole units of assignment ([`tally`]). Where users keep their colour, [`keys`] turns
//! requests into users. Where requests are slow together because one version stalls, [`slot`] counts the stall.
#![forbid(unsafe_code)]

pub mod bound;
pub mod budget;
pub mod detectable;
pub mod evidence;
pub mod figures;
pub mod historical;
pub mod identity;
pub mod keys;
pub mod likelihood;
pub mod limits;
pub mod metric;
pub mod noise;
pub mod panel;
pub mod sample_ratio;
pub mod silence;
pub mod slot;
pub mod tally;
pub mod unended;
pub mod verdict;
pub mod watch;

/// The example of docs/judge.md is tested.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/judge.md")]
struct Document;
