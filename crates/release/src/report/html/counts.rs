//! What was counted: the tiles, both versions, the ledger, the epochs.

use super::text::{Text, grouped, percent, time_of_day};
use super::{Side, latency, sides};
use crate::machine::Outcome;
use crate::report::{Amiss, Lost, Report, times};
use model::colour::Colour;
use model::record::{Answerer, Lane};
use std::fmt::Write;
use telemetry::counts::Counts;

/// User traffic of a colour since the release's first change.
fn of_colour(report: &Report, colour: Colour) -> Counts {
    report.counts.as_ref().map(|account| account.of_users(colour)).unwrap_or_default()
}

pub(super) fn write_tiles(out: &mut String, report: &Report) {
    let tiles = tiles(report);
    if tiles.is_empty() {
        return;
    }
    out.push_str(r#"<div class="tiles">"#);
    for (value, mood, what) in tiles {
        let (value, what) = (Text(&value), Text(&what));
        let _ = write!(out, r#"<div class="tile"><b class="{mood}">{value}</b><span>{what}</span></div>"#);
    }
    out.push_str("</div>\n");
}

/// Value, how it is meant, and what it is.
fn tiles(report: &Report) -> Vec<(String, &'static str, String)> {
    let ledger = &report.ledger;
    let mut tiles = Vec::new();
    if report.has_counts() {
        let goes_on = report.standing.as_ref().is_some_and(|standing| standing.goes_on);
        let until = if goes_on && report.outcome.is_none() { " until now" } else { "" };
        tiles.push((grouped(ledger.received), "", format!("requests during the release{until}")));
        let (lost, mood) = match ledger.lost {
            Lost::Known(0) => ("0".to_owned(), "good"),
            Lost::Known(lost) => (grouped(lost), "bad"),
            Lost::Unknown => ("unknown".to_owned(), "attention"),
        };
        tiles.push((lost, mood, "lost: broke off halfway".to_owned()));
        tiles.extend(sides(report).into_iter().map(|side| failed_of(report, &side)));
    }
    tiles.extend(amiss_of_new(report));
    let swapped_us = report.guards.iter().filter_map(|guard| guard.trip.swapped_in_us).max();
    if let Some(us) = swapped_us {
        let what = "until all traffic was back in the gateway that fired";
        tiles.push((times::latency(us), "", what.to_owned()));
    }
    let restore = report.moves.iter().rev().find(|moved| moved.kind == "restore");
    let share = report.moves.iter().rev().find(|moved| moved.kind == "share" && moved.share > 0);
    if let Some(ms) = restore.and_then(|moved| moved.took_ms) {
        let what = match swapped_us {
            Some(_) => "until the controller had put back all, everywhere",
            None => "until all traffic was back",
        };
        tiles.push((format!("{} ms", grouped(ms)), "", what.to_owned()));
    } else if let Some((moved, ms)) = share.and_then(|moved| Some((moved, moved.took_ms?))) {
        tiles.push((format!("{} ms", grouped(ms)), "", format!("for the switch to {} %", moved.share)));
    }
    tiles
}

/// The failed requests of one version.
fn failed_of(report: &Report, (colour, version, role): &Side) -> (String, &'static str, String) {
    let counts = of_colour(report, *colour);
    let known = report.known_of(*colour, &counts);
    let mood = if known.failed > 0 && *role == "new" { "bad" } else { "" };
    if !report.gaps.is_empty() {
        let what = format!("failed at least, of at least {} on {version}", grouped(known.requests));
        return (grouped(known.failed), mood, what);
    }
    (grouped(known.failed), mood, format!("failed of {} on {version}", grouped(known.requests)))
}

/// What else became of the new version's requests than a failure or a good answer.
fn amiss_of_new(report: &Report) -> Vec<(String, &'static str, String)> {
    let Some((colour, version, _)) = sides(report).pop() else { return Vec::new() };
    let amiss = Amiss::of(&of_colour(report, colour));
    let amiss = if report.outcome == Some(Outcome::Promoted) { amiss.besides_failures() } else { amiss };
    let of_checks = report.checks.iter().map(|check| {
        let what = format!("answers of {version} failed check {}", check.name);
        (check.new.failed, "bad", what)
    });
    let left = (amiss.client_left, "attention", format!("left by their clients on {version}"));
    let open = (amiss.open, "attention", format!("without an answer yet on {version}"));
    let all = of_checks.chain([left, open]).filter(|(count, ..)| *count > 0);
    all.map(|(count, mood, what)| (grouped(count), mood, what)).collect()
}

pub(super) fn write_versions(out: &mut String, report: &Report) {
    let sides = sides(report);
    if sides.is_empty() || report.counts.is_none() {
        return;
    }
    out.push_str(
        r#"<section class="card"><h2>Both versions, user traffic since the first change</h2><div class="scroll"><table><tr><th>version</th><th class="n">requests</th><th class="n">failed</th><th class="n">share of failures</th><th class="n">p50</th><th class="n">p99</th><th class="n">cut short</th><th class="n">open</th></tr>"#,
    );
    for (colour, version, role) in sides {
        let counts = of_colour(report, colour);
        let known = report.known_of(colour, &counts);
        let least = if report.gaps.is_empty() { "" } else { "≥ " };
        let _ = write!(
            out,
            r#"<tr><td class="nowrap"><i class="key {colour}"></i>{} <span class="soft">({colour}, {role})</span></td><td class="n">{least}{}</td><td class="n">{least}{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr>"#,
            Text(&version),
            grouped(known.requests),
            grouped(known.failed),
            percent(known.failed, known.requests),
            latency(counts.latency.quantile(0.5)),
            latency(counts.latency.quantile(0.99)),
            grouped(counts.cut_short),
            grouped(counts.open),
        );
    }
    out.push_str("</table></div></section>\n");
}

pub(super) fn write_checks(out: &mut String, report: &Report) {
    let rows = report.checks.iter().flat_map(|check| check.rows().map(move |row| (&check.name, row)));
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    out.push_str(
        r#"<section class="card"><h2>Checks of the business</h2><div class="scroll"><table><tr><th>check</th><th>answers of</th><th class="n">passed</th><th class="n">failed</th><th class="n">not examined</th></tr>"#,
    );
    for (name, row) in rows {
        let colour = row.colour;
        let _ = write!(
            out,
            r#"<tr><td>{}</td><td class="nowrap"><i class="key {colour}"></i>{} <span class="soft">({colour})</span></td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr>"#,
            Text(name),
            Text(&row.version),
            grouped(row.passed),
            grouped(row.failed),
            Text(&row.not_examined(grouped)),
        );
    }
    out.push_str("</table></div></section>\n");
}

pub(super) fn write_ledger(out: &mut String, report: &Report) {
    let ledger = &report.ledger;
    out.push_str(r#"<section class="card"><h2>Ledger: what became of every request</h2>"#);
    let Some(at_ms) = ledger.counted_at_ms else {
        out.push_str(r#"<p class="soft">Nothing: the release has moved no traffic.</p></section>"#);
        return;
    };
    if ledger.is_unended() {
        let at = time_of_day(at_ms);
        let _ = write!(
            out,
            r#"<p class="soft">Counted until {at} UTC; what was open then may have ended since.</p>"#
        );
    }
    let cut_short = ledger.blue_cut_short.saturating_add(ledger.green_cut_short);
    let rest = ledger.client_left.saturating_add(ledger.drained).saturating_add(ledger.open);
    if ledger.received > 0 {
        out.push_str(r#"<div class="bar">"#);
        for (class, part) in [
            ("blue", ledger.blue),
            ("green", ledger.green),
            ("gate-own", ledger.gate),
            ("cut", cut_short),
            ("rest", rest),
        ] {
            if part > 0 {
                let _ = write!(out, r#"<i class="{class}" style="flex:{part} 0 0"></i>"#);
            }
        }
        out.push_str("</div>");
    }
    out.push_str(r#"<div class="scroll"><table>"#);
    for (what, value) in ledger.lines(grouped) {
        let _ = write!(out, r#"<tr><td>{what}</td><td class="n">{value}</td></tr>"#);
    }
    out.push_str("</table></div></section>\n");
}

pub(super) fn write_epochs(out: &mut String, report: &Report) {
    let Some(account) = report.counts.as_ref().filter(|account| !account.rows.is_empty()) else { return };
    out.push_str(
        r#"<section class="card long"><h2>Counts by epoch</h2><div class="scroll"><table><tr><th>epoch</th><th>answered by</th><th>lane</th><th class="n">received</th><th class="n">whole</th><th class="n">5xx</th><th class="n">cut short</th><th class="n">left</th><th class="n">drained</th><th class="n">open</th><th class="n">p99</th></tr>"#,
    );
    for row in &account.rows {
        let counts = &row.counts;
        let [.., errors] = counts.whole;
        let key = match row.answerer {
            Answerer::Blue => "blue",
            Answerer::Green => "green",
            Answerer::Gate | Answerer::Upstream => "other",
        };
        let lane = match row.lane {
            Lane::Share => "users",
            Lane::Matched => "preview",
        };
        let _ = write!(
            out,
            r#"<tr><td>{}</td><td class="nowrap"><i class="key {key}"></i>{}</td><td>{lane}</td>"#,
            row.epoch,
            row.answerer.name()
        );
        for number in [
            counts.received,
            counts.whole_total(),
            errors,
            counts.cut_short,
            counts.client_left,
            counts.drained,
            counts.open,
        ] {
            let _ = write!(out, r#"<td class="n">{}</td>"#, grouped(number));
        }
        let _ = write!(out, r#"<td class="n">{}</td></tr>"#, latency(counts.latency.quantile(0.99)));
    }
    out.push_str("</table></div></section>\n");
}
