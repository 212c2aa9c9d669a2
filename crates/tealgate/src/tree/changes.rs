//! What is new in a picture, in lines: for logs and pipes, where nothing can be redrawn.
//!
//! Counters are told with the event that makes them interesting, not each time they move.

use crate::tree::numbers::{grouped, latency};
use crate::tree::picture::{ColourRow, PhaseRow, Picture, Standing};
use release::report::duration;

/// The lines that tell what happened from one picture to the next; all of it when there was none before.
#[must_use]
pub fn changes(before: Option<&Picture>, now: &Picture) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tell =
        |text: String| lines.push(format!("[{:>8}] {}: {text}", duration(now.elapsed_ms), now.app));
    if before.is_none() {
        let from = now.from.as_deref().map(|from| format!("{from} -> ")).unwrap_or_default();
        tell(format!("release {} of {from}{}", now.release, now.to));
    }
    let phases_before = before.map(|before| before.phases.as_slice()).unwrap_or_default();
    for phase in &now.phases {
        phase_changes(phase, phases_before, (&phase.name, word), &mut tell);
    }
    for colour in &now.colours {
        let share_before = before.and_then(|before| share(&before.colours, colour));
        if share_before.is_some_and(|share| share != colour.share) {
            tell(colour_line(colour));
        }
    }
    for waiting in &now.waiting {
        if before.is_none_or(|before| before.waiting.iter().all(|old| stem(old) != stem(waiting))) {
            tell(format!("waits for {waiting}"));
        }
    }
    for way in &now.ways {
        if before.is_none_or(|before| !before.ways.contains(way)) {
            tell(way.clone());
        }
    }
    for (_, remark) in &now.remarks {
        if before.is_none_or(|before| before.remarks.iter().all(|(_, old)| head(old) != head(remark))) {
            tell(remark.clone());
        }
    }
    let is_phase = now.phases.iter().any(|phase| phase.name == now.headline);
    if before.is_some_and(|before| before.headline != now.headline) && !is_phase {
        let totals: Vec<String> = now.colours.iter().map(colour_line).collect();
        tell(format!("{} ({})", now.headline, totals.join("; ")));
    }
    lines
}

/// `path` is what a row is called, `words` how its standing is.
fn phase_changes(
    row: &PhaseRow,
    before: &[PhaseRow],
    (path, words): (&str, fn(Standing) -> &'static str),
    tell: &mut dyn FnMut(String),
) {
    let old = before.iter().find(|old| old.name == row.name);
    let begun = |row: &PhaseRow| row.steps.as_ref().map_or(0, |steps| steps.begun);
    let stands = |row: &PhaseRow| (row.standing, begun(row));
    let silent = matches!(row.standing, Standing::Ahead | Standing::Skipped);
    let over = matches!(row.standing, Standing::Done | Standing::Failed | Standing::Stopped);
    let children = old.map(|old| old.children.as_slice()).unwrap_or_default();
    let gates = |tell: &mut dyn FnMut(String)| {
        for child in &row.children {
            phase_changes(child, children, (&format!("{path}/{}", child.name), verdict), tell);
        }
    };
    if over {
        gates(tell);
    }
    if old.map(stands) != Some(stands(row)) && !silent {
        let took = row.duration_ms.filter(|_| over);
        let took = took.map(|took| format!(" after {}", duration(took))).unwrap_or_default();
        let detail = if row.detail.is_empty() { String::new() } else { format!(": {}", row.detail) };
        let step = row.steps.as_ref().filter(|_| row.standing == Standing::Running);
        let step = step.and_then(|steps| steps.shares.get(steps.begun.checked_sub(1)?));
        let step = step.map(|share| format!(" to {share} %")).unwrap_or_default();
        let word = words(row.standing);
        tell(format!("{path} {word}{step}{took}{detail}"));
    }
    if !over {
        gates(tell);
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Ahead => "ahead",
        Standing::Running => "begins",
        Standing::Held => "is held",
        Standing::Done => "done",
        Standing::Failed => "failed",
        Standing::Stopped => "stopped",
        Standing::Skipped => "skipped",
    }
}

/// How a gate or a comparison stands, in the words of verdicts.
fn verdict(standing: Standing) -> &'static str {
    match standing {
        Standing::Done => "passed",
        Standing::Running | Standing::Held => "inconclusive",
        other => word(other),
    }
}

fn share(rows: &[ColourRow], wanted: &ColourRow) -> Option<u8> {
    rows.iter().find(|row| row.colour == wanted.colour).map(|row| row.share)
}

fn colour_line(row: &ColourRow) -> String {
    let p99 = row.p99_ms.map(|p99| format!(", p99 {}", latency(p99))).unwrap_or_default();
    let (requests, errors) = (grouped(row.requests), grouped(row.errors));
    format!("{} {} at {} %, {requests} requests, {errors} errors{p99}", row.colour, row.version, row.share)
}

/// What is waited for, without how long and how many.
fn stem(waiting: &str) -> String {
    let what = waiting.split(", at most ").next().unwrap_or(waiting);
    what.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// What a remark is about, without what it says of it, which may grow while it lasts.
fn head(remark: &str) -> &str {
    remark.split(": ").next().unwrap_or(remark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::picture::Steps;
    use release::view::Mood;

    fn at_step(begun: usize, elapsed_ms: u64) -> Picture {
        let mut picture = crate::tree::render::tests::shifting();
        picture.elapsed_ms = elapsed_ms;
        for phase in &mut picture.phases {
            if let Some(Steps { begun: old, .. }) = &mut phase.steps {
                *old = begun;
            }
        }
        picture
    }

    #[test]
    fn a_picture_that_only_counts_on_says_nothing() {
        let before = at_step(2, 1000);
        let mut now = at_step(2, 2000);
        now.colours[0].requests += 5;
        now.waiting = vec!["step 10 %, at most 1.0 s".to_owned()];
        assert_eq!(changes(Some(&before), &now), Vec::<String>::new());
    }

    #[test]
    fn each_remark_is_told_once_however_what_it_says_grows() {
        let with = |remarks: &[&str]| {
            let mut picture = at_step(2, 1000);
            picture.remarks = remarks.iter().map(|text| (Mood::Attention, (*text).to_owned())).collect();
            picture
        };
        let (one, other) =
            ("the gateway all-1-17 went; it is not known", "the gateway all-2-17 went; it is not known");
        let before = with(&[one, "green waits: 1 request waits"]);
        let now = with(&[one, other, "green waits: 2 requests wait"]);
        assert_eq!(changes(Some(&before), &now), [format!("[   1.0 s] shop: {other}")]);
    }

    #[test]
    fn a_step_and_a_new_share_are_told_once() {
        let before = at_step(2, 1000);
        let mut now = at_step(3, 2000);
        now.colours[1].share = 50;
        let lines = changes(Some(&before), &now);
        assert_eq!(
            lines,
            [
                "[   2.0 s] shop: shift begins to 50 %: watching",
                "[   2.0 s] shop: green v2 at 50 %, 1,138 requests, 2 errors, p99 5.1 ms",
            ]
        );
    }

    #[test]
    fn the_first_picture_is_told_whole() {
        let lines = changes(None, &at_step(1, 0));
        assert_eq!(lines[0], "[   0.0 s] shop: release shop-7 of v1 -> v2");
        assert!(lines.iter().any(|line| line.ends_with("shop: test/smoke passed: 3 requests")), "{lines:#?}");
    }
}
