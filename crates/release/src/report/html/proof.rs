//! The plot of the evidence: how far it is on its way to its bound, and the moments at which something was proven.

use super::plots::Panel;
use super::scale::Scale;
use super::text::Text;
use crate::report::{Point, Report};
use std::fmt::Write;

/// How high the plot is.
const HEIGHT: f64 = 96.0;
/// Lines across it stand at 0, 50, 100, ... percent of the way to the bound.
const STEP: f64 = 50.0;
/// The bound.
const PROOF: f64 = 100.0;
/// The highest line.
const MOST_LINES: u32 = 5;

/// The plot, which ends at `bottom`; `None`: nobody compared anything.
pub(super) fn panel(points: &[Point], bottom: f64) -> Option<Panel<'static>> {
    let largest = points.iter().flat_map(|point| [point.judge, point.guard]).flatten().max()?;
    // The bound is always to be seen, and what is just below it is not at the edge.
    let lines = if f64::from(largest) <= PROOF { 2 } else { u32::from(largest / 50 + 1).min(MOST_LINES) };
    let title = "Evidence that the new version is worse, % of the way to proof: judge, and guard dashed";
    Some(Panel { title, top: bottom - HEIGHT, bottom, step: STEP, lines })
}

/// Draws it.
pub(super) fn write(
    out: &mut String,
    report: &Report,
    points: &[Point],
    from_ms: i64,
    time: &Scale,
    panel: &Panel<'_>,
) {
    let proof = panel.y().at(PROOF);
    let (first, last) = (time.at(0.0), time.at(f64::MAX));
    let _ = write!(
        out,
        r#"<line class="proof" x1="{first:.1}" x2="{last:.1}" y1="{proof:.1}" y2="{proof:.1}"/>"#
    );
    write_line(out, "judge", points.iter().map(|point| (point, point.judge)), from_ms, time, panel);
    write_line(out, "guard", points.iter().map(|point| (point, point.guard)), from_ms, time, panel);
    for one in &report.evidence {
        let Some(crossing) = one.finding.figures.and_then(|figures| figures.crossing) else { continue };
        if one.strength().is_none() {
            continue;
        }
        let x = time.at((crossing.at_ms - from_ms) as f64);
        let (by, words) = (Text(&one.by), Text(&one.finding.words));
        let _ = write!(
            out,
            r#"<circle class="proven" cx="{x:.1}" cy="{proof:.1}" r="4"><title>{by}: {words}</title></circle>"#
        );
    }
}

fn write_line<'a>(
    out: &mut String,
    class: &str,
    values: impl Iterator<Item = (&'a Point, Option<u16>)>,
    from_ms: i64,
    time: &Scale,
    panel: &Panel<'_>,
) {
    let y = panel.y();
    let mut path = String::new();
    let mut is_drawing = false;
    for (point, value) in values {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let (x, y) = (time.at((point.at_ms - from_ms) as f64), y.at(f64::from(value)));
        let _ = write!(path, "{}{x:.1} {y:.1}", if is_drawing { 'L' } else { 'M' });
        is_drawing = true;
    }
    if !path.is_empty() {
        let _ = write!(out, r#"<path class="evidence {class}" d="{path}"/>"#);
    }
}
