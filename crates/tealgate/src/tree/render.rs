//! A picture as text: title, the two environments, the phases as a tree, what it waits for.

use crate::terminal::line::{Line, Paint, Style};
use crate::tree::numbers::{grouped, latency};
use crate::tree::picture::{ColourRow, PhaseRow, Picture, Standing, Steps};
use model::colour::Colour;
use release::report::duration;
use release::view::Mood;

/// Column at which the durations of phases end.
const DURATION_END: usize = 30;
/// Column at which the title ends at least.
const NARROWEST: usize = 60;
/// Shortest bar of a share.
const SHORTEST_BAR: usize = 8;
/// Most lines of one thing that is waited for, or to be known.
const MOST_LINES: usize = 4;
/// Longest bar of a share.
const LONGEST_BAR: usize = 24;

/// Lays a picture out. Lines are joined by newlines; the last one has none.
#[must_use]
pub fn render(picture: &Picture, width: usize, style: Style) -> String {
    let columns = Columns::of(picture, width);
    let colours: Vec<Line> = picture.colours.iter().map(|row| colour_row(row, &columns, style)).collect();
    let edge = colours.iter().map(Line::width).max().unwrap_or(0).clamp(NARROWEST.min(width), width);
    let mut lines = vec![title(picture, edge, style), Line::new()];
    if !colours.is_empty() {
        lines.extend(colours);
        lines.push(Line::new());
    }
    let last = picture.phases.len().saturating_sub(1);
    for (number, phase) in picture.phases.iter().enumerate() {
        branch(phase, "", number == last, width, style, &mut lines);
    }
    if !picture.waiting.is_empty() || !picture.remarks.is_empty() {
        lines.push(Line::new());
    }
    for waiting in &picture.waiting {
        let icon = style.icon("…", "~");
        let text = format!("waits for {waiting}");
        let line = Line::new().with(format!("{icon} "), Paint::Teal);
        wrapped(line, &text, Paint::Plain, "", width, &mut lines);
    }
    for way in &picture.ways {
        let icon = style.icon("→", ">");
        let line = Line::new().with(format!("  {icon} "), Paint::Teal);
        wrapped(line, way, Paint::Plain, "", width, &mut lines);
    }
    for (mood, remark) in &picture.remarks {
        let icon = format!("{} ", remark_icon(*mood, style));
        wrapped(Line::new().with(icon, paint(*mood)), remark, Paint::Plain, "", width, &mut lines);
    }
    lines.iter().map(|line| line.render(width, style)).collect::<Vec<_>>().join("\n")
}

/// A text behind what a line begins with, broken between words where the terminal ends; `stem` begins the further lines. What
/// does not fit into a few lines is cut off.
fn wrapped(mut line: Line, text: &str, paint: Paint, stem: &str, width: usize, lines: &mut Vec<Line>) {
    let indent = line.width();
    let mut rest = text.trim();
    for _ in 1..MOST_LINES {
        let room = width.saturating_sub(indent);
        let Some((end, _)) = rest.char_indices().nth(room) else { break };
        // A word that is longer than a line is cut off at its end.
        let Some(space) = rest.get(..=end).and_then(|start| start.rfind(' ')) else { break };
        let (begin, after) = rest.split_at(space);
        lines.push(line.with(begin, paint));
        (line, rest) = (Line::new().left(stem, indent, Paint::Dim), after.trim_start());
    }
    lines.push(line.with(rest, paint));
}

/// `shop  v1 → v2` on the left, how it stands on the right.
fn title(picture: &Picture, edge: usize, style: Style) -> Line {
    let arrow = style.icon(" → ", " -> ");
    let mut left = Line::new().with(picture.app.as_str(), Paint::Bold).plain("  ");
    if let Some(from) = &picture.from {
        left = left.plain(from.as_str()).with(arrow, Paint::Dim);
    }
    left = left.with(picture.to.as_str(), Paint::Bold);
    let dot = style.icon("·", "-");
    let right = format!("{} {dot} {}", picture.headline, duration(picture.elapsed_ms));
    let gap = edge.saturating_sub(left.width() + right.chars().count()).max(2);
    left.plain(" ".repeat(gap))
        .with(picture.headline.as_str(), paint(picture.mood))
        .with(format!(" {dot} {}", duration(picture.elapsed_ms)), Paint::Dim)
}

/// Widths that the rows of the environments share. What does not fit is left out: first the median, then the note.
struct Columns {
    version: usize,
    requests: usize,
    errors: usize,
    p50: usize,
    p99: usize,
    bar: usize,
    has_median: bool,
    has_note: bool,
}

impl Columns {
    fn of(picture: &Picture, width: usize) -> Columns {
        let widest = |text: &dyn Fn(&ColourRow) -> String| {
            picture.colours.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
        };
        let (requests, errors) = (widest(&|row| grouped(row.requests)), widest(&|row| grouped(row.errors)));
        let (p50, p99) = (widest(&|row| quantile(row.p50_ms)), widest(&|row| quantile(row.p99_ms)));
        let version = widest(&|row| row.version.clone());
        let note = 2 + widest(&|row| row.note.clone());
        let median = 6 + p50;
        // Icon, name, share, units and the blanks between them.
        let needed = 38 + version + requests + errors + p99 + SHORTEST_BAR;
        let has_note = needed + note <= width;
        let needed = if has_note { needed + note } else { needed };
        let has_median = needed + median <= width;
        let needed = if has_median { needed + median } else { needed };
        let bar = (SHORTEST_BAR + width.saturating_sub(needed)).min(LONGEST_BAR);
        Columns { version, requests, errors, p50, p99, bar, has_median, has_note }
    }
}

fn colour_row(row: &ColourRow, columns: &Columns, style: Style) -> Line {
    let paint = if row.colour == Colour::Blue { Paint::Blue } else { Paint::Green };
    let filled = (usize::from(row.share.min(100)) * columns.bar + 50) / 100;
    // The smallest share shows, and only the whole fills the bar.
    let filled = match row.share {
        0 => 0,
        100.. => columns.bar,
        _ => filled.clamp(1, columns.bar.saturating_sub(1).max(1)),
    };
    let errors = if row.errors > 0 { Paint::Red } else { Paint::Dim };
    let mut line = Line::new()
        .with(format!("  {} ", style.icon("●", "*")), paint)
        .left(row.colour.name(), 5, paint)
        .plain("  ")
        .left(&row.version, columns.version, Paint::Plain)
        .plain("  ")
        .with(style.icon("█", "#").repeat(filled), paint)
        .with(style.icon("░", ".").repeat(columns.bar - filled), Paint::Dim)
        .right(&format!("{} %", row.share), 6, Paint::Bold)
        .plain("   ")
        .right(&grouped(row.requests), columns.requests, Paint::Plain)
        .with(" req  ", Paint::Dim)
        .right(&grouped(row.errors), columns.errors, errors)
        .with(" err", errors);
    if columns.has_median {
        line = line.with("  p50 ", Paint::Dim).right(&quantile(row.p50_ms), columns.p50, Paint::Plain);
    }
    line = line.with("  p99 ", Paint::Dim).right(&quantile(row.p99_ms), columns.p99, Paint::Plain);
    if columns.has_note { line.with(format!("  {}", row.note), Paint::Dim) } else { line }
}

fn quantile(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), latency)
}

/// A phase or gate with the lines that lead to it, and what is below it.
fn branch(row: &PhaseRow, indent: &str, last: bool, width: usize, style: Style, lines: &mut Vec<Line>) {
    let fork = if last { style.icon("└─ ", "`- ") } else { style.icon("├─ ", "|- ") };
    let (icon, paint) = standing(row.standing, style);
    let ahead = matches!(row.standing, Standing::Ahead | Standing::Skipped);
    let name = if ahead { Paint::Dim } else { Paint::Plain };
    let mut line = Line::new()
        .with(format!("  {indent}{fork}"), Paint::Dim)
        .with(format!("{icon} "), paint)
        .with(row.name.as_str(), name);
    if let Some(milliseconds) = row.duration_ms {
        let text = duration(milliseconds);
        let gap = DURATION_END.saturating_sub(line.width() + text.chars().count()).max(2);
        line = line.plain(" ".repeat(gap)).with(text, Paint::Dim);
    }
    let has_more = row.steps.is_some() || !row.detail.is_empty();
    if has_more {
        let gap = (DURATION_END + 3).saturating_sub(line.width()).max(2);
        line = line.plain(" ".repeat(gap));
    }
    let below = if last { "   ".to_owned() } else { style.icon("│  ", "|  ").to_owned() };
    let below = format!("{indent}{below}");
    let stem = if row.children.is_empty() { "" } else { style.icon("│", "|") };
    let stem = format!("  {below}{stem}");
    if let Some(steps) = &row.steps {
        line = trail(line, steps, row.standing, style);
        let room = width.saturating_sub(line.width() + 3);
        if row.detail.chars().count() > room {
            // Beside the shares there is no room for it.
            lines.push(line);
            line = Line::new().left(&stem, DURATION_END + 3, Paint::Dim);
        } else if !row.detail.is_empty() {
            line = line.plain("   ");
        }
    }
    let detail = if row.standing == Standing::Failed { Paint::Red } else { Paint::Plain };
    wrapped(line, &row.detail, detail, &stem, width, lines);
    for (number, child) in row.children.iter().enumerate() {
        branch(child, &below, number + 1 == row.children.len(), width, style, lines);
    }
}

/// `1 › 10 › 50 › 100 %`, what was begun standing out.
fn trail(mut line: Line, steps: &Steps, standing: Standing, style: Style) -> Line {
    let running = matches!(standing, Standing::Running | Standing::Held);
    for (number, share) in steps.shares.iter().enumerate() {
        if number > 0 {
            line = line.with(style.icon(" › ", " > "), Paint::Dim);
        }
        let current = running && number + 1 == steps.begun;
        line = match (number < steps.begun, current) {
            (_, true) if style.colours => line.with(share.to_string(), Paint::Teal),
            (_, true) => line.plain(format!("[{share}]")),
            (true, false) => line.plain(share.to_string()),
            (false, false) => line.with(share.to_string(), Paint::Dim),
        };
    }
    line.with(" %", Paint::Dim)
}

fn standing(standing: Standing, style: Style) -> (&'static str, Paint) {
    match standing {
        Standing::Ahead => (style.icon("○", "."), Paint::Dim),
        Standing::Running => (style.icon("▶", ">"), Paint::Teal),
        Standing::Held => (style.icon("‖", "="), Paint::Yellow),
        Standing::Done => (style.icon("✔", "+"), Paint::Green),
        Standing::Failed => (style.icon("✖", "x"), Paint::Red),
        Standing::Stopped => (style.icon("■", "#"), Paint::Yellow),
        Standing::Skipped => (style.icon("–", "-"), Paint::Dim),
    }
}

fn remark_icon(mood: Mood, style: Style) -> &'static str {
    match mood {
        Mood::Neutral => style.icon("·", "-"),
        Mood::Good => style.icon("✔", "+"),
        Mood::Attention => style.icon("▲", "!"),
        Mood::Bad => style.icon("✖", "x"),
    }
}

fn paint(mood: Mood) -> Paint {
    match mood {
        Mood::Neutral => Paint::Teal,
        Mood::Good => Paint::Green,
        Mood::Attention => Paint::Yellow,
        Mood::Bad => Paint::Red,
    }
}

#[cfg(test)]
pub(in crate::tree) mod tests;
