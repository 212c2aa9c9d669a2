//! The plots: requests, failures and latency of both colours over the same time, with phases and moves of traffic.

use super::scale::{Scale, lines, number_label, time_label, time_step_ms};
use super::text::Text;
use super::{marks, proof};
use crate::journal::Move;
use crate::report::{Point, Report, Slice};
use model::colour::Colour;
use std::fmt::Write;

const WIDTH: f64 = 1_000.0;
/// Where the plots end, without and with that of the evidence; the times stand below.
const BOTTOMS: [f64; 2] = [546.0, 688.0];
/// Of the times.
const FOOT: f64 = 40.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 968.0;
/// Where the phases stand.
const STRIP: (f64, f64) = (30.0, 52.0);
/// Below this width a phase's name does not fit, by letter.
const LETTER: f64 = 7.2;
/// An interval that is shorter says little, because gateways report every 100 ms: it is drawn with its neighbours. The shorter bound
/// is for releases that were over within seconds.
const SHORTEST_MS: (u64, u64) = (100, 400);
/// In so many parts of what is shown.
const RESOLUTION: i64 = 20;

/// One plot among those that share the time.
pub(super) struct Panel<'a> {
    pub(super) title: &'a str,
    pub(super) top: f64,
    pub(super) bottom: f64,
    /// Between two lines across it.
    pub(super) step: f64,
    /// How many of these there are.
    pub(super) lines: u32,
}

impl Panel<'_> {
    pub(super) fn y(&self) -> Scale {
        Scale::new(0.0, self.step * f64::from(self.lines), self.bottom, self.top)
    }
}

/// What is drawn of a colour.
type Value = fn(&Slice, f64) -> Option<f64>;

/// Writes the plots. Writing into a `String` cannot fail, so the results of `write!` are dropped.
pub(super) fn write_plots(out: &mut String, report: &Report) {
    let Some((from_ms, to_ms)) = span(report) else { return };
    let time = Scale::new(0.0, (to_ms - from_ms) as f64, LEFT, RIGHT);
    let points = &without_slivers(report.course.points(), to_ms - from_ms);
    let proof = proof::panel(points, BOTTOMS[1]);
    let bottom = proof.as_ref().map_or(BOTTOMS[0], |panel| panel.bottom);
    let height = bottom + FOOT;
    let _ = write!(
        out,
        r#"<svg class="plots" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Requests, failures and latency of both colours over time">"#
    );
    let largest = |value: Value| {
        let of = |point: &Point| [value(&point.blue, seconds(point)), value(&point.green, seconds(point))];
        points.iter().flat_map(of).flatten().fold(0.0, f64::max)
    };
    let panel = |title, top, bottom, largest| {
        let (step, lines) = lines(largest);
        Panel { title, top, bottom, step, lines }
    };
    let panels = [
        panel("Requests per second", 84.0, 226.0, largest(rate)),
        panel("Failed requests, % of the colour's own", 264.0, 366.0, largest(failures)),
        panel("Latency, ms: 99th percentile, and the median thin", 404.0, 546.0, largest(p99)),
    ];
    let drawn: Vec<&Panel<'_>> = panels.iter().chain(&proof).collect();
    write_phases(out, report, from_ms, &time, &drawn);
    for panel in drawn {
        write_axis(out, panel);
    }
    write_times(out, to_ms - from_ms, &time, bottom);
    let [requests, failed, latency] = &panels;
    for colour in drawing_order(report) {
        write_area(out, points, colour, from_ms, &time, requests);
        write_line(out, points, colour, "", rate, from_ms, &time, requests);
        write_line(out, points, colour, "", failures, from_ms, &time, failed);
        write_line(out, points, colour, " thin", p50, from_ms, &time, latency);
        write_line(out, points, colour, "", p99, from_ms, &time, latency);
    }
    if points.is_empty() {
        let _ =
            write!(out, r#"<text class="none" x="{}" y="160">no traffic was watched</text>"#, WIDTH / 2.0);
    }
    if let Some(panel) = &proof {
        proof::write(out, report, points, from_ms, &time, panel);
    }
    marks::write_marks(out, report, (from_ms, to_ms), &time, bottom);
    out.push_str("</svg>");
}

/// From the first to the last moment that is worth showing, milliseconds since the Unix epoch.
fn span(report: &Report) -> Option<(i64, i64)> {
    let from_ms = report.phases.first()?.began_at_ms;
    let last = report.course.points().last().map(|point| point.at_ms);
    // A gateway has a clock of its own.
    let moved = report.moves.iter().filter(|moved| moved.kind != Move::GUARD);
    let moved = moved.map(|moved| moved.intended_at_ms).max();
    let to_ms = [last, moved, report.decided_at_ms].into_iter().flatten().max()?;
    (to_ms > from_ms).then_some((from_ms, to_ms))
}

/// The points, each long enough to be worth drawing. Only what follows without a gap is joined.
fn without_slivers(points: &[Point], length_ms: i64) -> Vec<Point> {
    let (least, most) = SHORTEST_MS;
    let shortest = u64::try_from(length_ms / RESOLUTION).unwrap_or(0).clamp(least, most);
    let follows = |last: &Point, next: &Point| last.at_ms == next.began_at_ms();
    let join = |points: &[Point], together: &dyn Fn(&Point, &Point) -> bool| {
        let mut kept: Vec<Point> = Vec::with_capacity(points.len());
        for point in points {
            match kept.last_mut() {
                Some(last) if follows(last, point) && together(last, point) => *last = last.joined(point),
                _ => kept.push(*point),
            }
        }
        kept
    };
    let grown = join(points, &|last, _| last.ms < shortest);
    // What is left over before a gap belongs to what was before it.
    join(&grown, &|_, next| next.ms < shortest)
}

/// The new version lies above the old one.
fn drawing_order(report: &Report) -> [Colour; 2] {
    let lead = report.plan.as_ref().and_then(|plan| plan.lead());
    let new = lead.map_or(Colour::Green, |lead| lead.new.colour);
    [new.other(), new]
}

fn seconds(point: &Point) -> f64 {
    point.ms as f64 / 1_000.0
}

fn rate(slice: &Slice, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| slice.requests as f64 / seconds)
}

fn failures(slice: &Slice, _: f64) -> Option<f64> {
    (slice.requests > 0).then(|| slice.failed as f64 * 100.0 / slice.requests as f64)
}

fn p50(slice: &Slice, _: f64) -> Option<f64> {
    slice.p50_us.map(|us| us as f64 / 1_000.0)
}

fn p99(slice: &Slice, _: f64) -> Option<f64> {
    slice.p99_us.map(|us| us as f64 / 1_000.0)
}

fn write_phases(out: &mut String, report: &Report, from_ms: i64, time: &Scale, panels: &[&Panel<'_>]) {
    let (top, bottom) = STRIP;
    for (number, span) in report.phases.iter().enumerate() {
        let begin = time.at((span.began_at_ms - from_ms) as f64);
        let end = span.ended_at_ms.map_or(RIGHT, |ended| time.at((ended - from_ms) as f64));
        let width = end - begin;
        if width <= 0.0 {
            continue;
        }
        let name = Text(&span.phase);
        let back = matches!(span.phase.as_str(), "revert" | "keep-failed");
        let class = if back { "phase back" } else { "phase" };
        let _ = write!(
            out,
            r#"<g class="{class} p{}"><title>{name}</title><rect x="{begin:.1}" y="{top}" width="{width:.1}" height="{:.1}" rx="3"/>"#,
            number % 2,
            bottom - top
        );
        for panel in panels {
            let _ = write!(
                out,
                r#"<rect class="band" x="{begin:.1}" y="{}" width="{width:.1}" height="{:.1}"/>"#,
                panel.top,
                panel.bottom - panel.top
            );
        }
        if width > span.phase.chars().count() as f64 * LETTER {
            let middle = begin + width / 2.0;
            let _ = write!(out, r#"<text x="{middle:.1}" y="{:.1}">{name}</text>"#, bottom - 6.5);
        }
        out.push_str("</g>");
    }
}

fn write_axis(out: &mut String, panel: &Panel<'_>) {
    let y = panel.y();
    let _ = write!(
        out,
        r#"<text class="title" x="{LEFT}" y="{:.1}">{}</text>"#,
        panel.top - 9.0,
        Text(panel.title)
    );
    for line in 0..=panel.lines {
        let value = panel.step * f64::from(line);
        let at = y.at(value);
        let label = number_label(value, y.last());
        let class = if line == 0 { "zero" } else { "grid" };
        let _ = write!(
            out,
            r#"<line class="{class}" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1}" y2="{at:.1}"/><text class="y" x="{:.1}" y="{:.1}">{label}</text>"#,
            LEFT - 8.0,
            at + 4.0
        );
    }
}

fn write_times(out: &mut String, length_ms: i64, time: &Scale, bottom: f64) {
    let step_ms = time_step_ms(length_ms);
    let mut at_ms = 0;
    while at_ms <= length_ms {
        let x = time.at(at_ms as f64);
        let label = time_label(at_ms);
        let _ = write!(
            out,
            r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{bottom}" y2="{}"/><text class="x" x="{x:.1}" y="{}">{label}</text>"#,
            bottom + 5.0,
            bottom + 22.0
        );
        at_ms += step_ms;
    }
}

/// The parts of a line without a gap, as places.
fn parts(
    points: &[Point],
    colour: Colour,
    value: Value,
    from_ms: i64,
    time: &Scale,
    panel: &Panel<'_>,
) -> Vec<Vec<(f64, f64)>> {
    let y = panel.y();
    let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    let mut before_ms = None;
    for point in points {
        let slice = match colour {
            Colour::Blue => &point.blue,
            Colour::Green => &point.green,
        };
        let follows = before_ms.is_none_or(|before| point.began_at_ms() - before < 2_000);
        before_ms = Some(point.at_ms);
        let found = value(slice, seconds(point));
        if (found.is_none() || !follows) && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(Vec::new());
        }
        if let (Some(found), Some(part)) = (found, parts.last_mut()) {
            let middle_ms = (point.at_ms - from_ms) as f64 - point.ms as f64 / 2.0;
            part.push((time.at(middle_ms), y.at(found)));
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[allow(clippy::too_many_arguments, reason = "one line of one plot")]
fn write_line(
    out: &mut String,
    points: &[Point],
    colour: Colour,
    class: &str,
    value: Value,
    from_ms: i64,
    time: &Scale,
    panel: &Panel<'_>,
) {
    for part in parts(points, colour, value, from_ms, time, panel) {
        if let [(x, y)] = part.as_slice() {
            let _ = write!(out, r#"<circle class="dot {colour}" cx="{x:.1}" cy="{y:.1}" r="2"/>"#);
            continue;
        }
        let _ = write!(out, r#"<path class="line {colour}{class}" d=""#);
        write_places(out, &part);
        out.push_str(r#""/>"#);
    }
}

fn write_area(
    out: &mut String,
    points: &[Point],
    colour: Colour,
    from_ms: i64,
    time: &Scale,
    panel: &Panel<'_>,
) {
    for part in parts(points, colour, rate, from_ms, time, panel) {
        let (Some((first, _)), Some((last, _))) = (part.first(), part.last()) else { continue };
        let _ = write!(out, r#"<path class="area {colour}" d=""#);
        write_places(out, &part);
        let _ = write!(out, r#"L{last:.1} {bottom}L{first:.1} {bottom}Z"/>"#, bottom = panel.bottom);
    }
}

fn write_places(out: &mut String, part: &[(f64, f64)]) {
    for (number, (x, y)) in part.iter().enumerate() {
        let _ = write!(out, "{}{x:.1} {y:.1}", if number == 0 { 'M' } else { 'L' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: &[(i64, u64, u64)], length_ms: i64) -> Vec<(i64, u64, u64)> {
        let point = |&(at_ms, ms, requests): &(i64, u64, u64)| Point {
            at_ms,
            ms,
            blue: Slice { requests, ..Slice::default() },
            ..Point::default()
        };
        let points: Vec<Point> = points.iter().map(point).collect();
        let drawn = without_slivers(&points, length_ms);
        drawn.iter().map(|point| (point.at_ms, point.ms, point.blue.requests)).collect()
    }

    #[test]
    fn slivers_are_drawn_with_their_neighbours_and_never_across_a_gap() {
        let trip =
            [(400, 398, 230), (424, 24, 12), (479, 55, 38), (500, 21, 0), (509, 9, 0), (1_630, 73, 40)];
        assert_eq!(drawn(&trip, 1_700), [(400, 398, 230), (509, 109, 50), (1_630, 73, 40)]);
        let soak = [(1_000, 1_000, 9), (1_100, 100, 1), (2_000, 900, 8), (3_000, 1_000, 9), (3_100, 100, 1)];
        assert_eq!(drawn(&soak, 60_000), [(1_000, 1_000, 9), (2_000, 1_000, 9), (3_100, 1_100, 10)]);
    }
}
