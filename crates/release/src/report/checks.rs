//! What the checks of the business have said of users' answers, by check and colour.

use super::Report;
use model::colour::Colour;
use model::record::{Answerer, Lane};
use telemetry::counts::Examined;

/// What one check has said of one colour.
pub(super) struct CheckOfColour<'a> {
    /// Its name.
    pub(super) check: &'a str,
    pub(super) colour: Colour,
    pub(super) said: Examined,
}

/// What all checks have said since the release's first change; those that were not asked are left out.
pub(super) fn checks(report: &Report) -> Vec<CheckOfColour<'_>> {
    let rows = report.counts.iter().flat_map(|account| &account.rows).filter(|row| row.lane == Lane::Share);
    let said = |place: usize, colour: Colour| {
        let of_colour = rows.clone().filter(|row| row.answerer == Answerer::from(colour));
        let said = of_colour.filter_map(|row| row.counts.checks.get(place));
        said.fold(Examined::default(), |sum, more| sum.plus(*more))
    };
    let names = report.plan.iter().flat_map(|plan| &plan.checks).enumerate();
    let all = names.flat_map(|(place, check)| {
        Colour::BOTH.map(|colour| CheckOfColour { check: &check.name, colour, said: said(place, colour) })
    });
    all.filter(|one| one.said != Examined::default()).collect()
}
