//! What stands across all plots: moves of traffic, and trips of guards.

use super::scale::Scale;
use super::text::Text;
use crate::report::Report;
use crate::report::times;
use std::fmt::Write;

/// Labels that are closer than this stand on one another.
const LABEL_WIDTH: f64 = 46.0;

/// A line at a moment.
struct Mark {
    at_ms: i64,
    label: String,
    class: &'static str,
    title: String,
}

/// Writes the marks, each with its label if there is room.
pub(super) fn write_marks(
    out: &mut String,
    report: &Report,
    (from_ms, to_ms): (i64, i64),
    time: &Scale,
    bottom: f64,
) {
    // A gateway has a clock of its own.
    let trips = trips(report).filter(|mark| (from_ms..=to_ms).contains(&mark.at_ms));
    let mut marks: Vec<Mark> = moves(report).chain(trips).collect();
    marks.sort_by_key(|mark| mark.at_ms);
    let mut free_from = f64::MIN;
    for Mark { at_ms, label, class, title } in marks {
        let x = time.at((at_ms - from_ms) as f64);
        let title = Text(&title);
        let _ = write!(
            out,
            r#"<g class="{class}"><title>{title}</title><line x1="{x:.1}" x2="{x:.1}" y1="24" y2="{bottom}"/>"#
        );
        if x >= free_from {
            let _ = write!(out, r#"<text x="{x:.1}" y="17">{label}</text>"#);
            free_from = x + LABEL_WIDTH;
        }
        out.push_str("</g>");
    }
}

/// Moves stand where every gateway ran them.
fn moves(report: &Report) -> impl Iterator<Item = Mark> {
    let shown = report.moves.iter().filter(|moved| moved.share > 0 || moved.kind == "restore");
    shown.map(|moved| {
        let took_ms = moved.took_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
        let (label, class) = match moved.kind.as_str() {
            "restore" => ("back".to_owned(), "move back"),
            "clean-up" => ("commit".to_owned(), "move"),
            _ => (format!("{} %", moved.share), "move"),
        };
        let took = moved.took_ms.map_or("not seen everywhere".to_owned(), |ms| format!("in {ms} ms"));
        let title = format!("{label}, {took}");
        Mark { at_ms: moved.intended_at_ms.saturating_add(took_ms), label, class, title }
    })
}

/// Trips stand where the gateway that fired found what it fired for.
fn trips(report: &Report) -> impl Iterator<Item = Mark> {
    report.guards.iter().map(|guard| {
        let swapped =
            guard.trip.swapped_in_us.map(|us| format!(", all traffic back {} later", times::latency(us)));
        Mark {
            at_ms: guard.trip.at_ms,
            label: "guard".to_owned(),
            class: "move back",
            title: format!("the guard in {} fires{}", guard.gateway, swapped.unwrap_or_default()),
        }
    })
}
