//! A report as one HTML page: no script, no other file, nothing that is loaded. It says so to the browser, too
//! (`Content-Security-Policy`), so that even a text that escaped its quoting could do nothing.
//!
//! Light or dark as the reader's system, and fit for paper. Writing into a `String` cannot fail, so the results of
//! `write!` are dropped.

mod counts;
mod evidence;
mod marks;
mod plots;
mod proof;
mod scale;
mod shadow;
#[cfg(test)]
mod tests;
mod text;

use super::Report;
use crate::machine::Outcome;
use model::colour::Colour;
use std::fmt::Write;
use text::{Text, duration, grouped, milliseconds, moment};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let (app, version) = (Text(&report.app), Text(&report.version));
    let _ = write!(
        out,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{app} {version} {}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
"#,
        outcome(report).0
    );
    write_head(&mut out, report);
    counts::write_tiles(&mut out, report);
    write_course(&mut out, report);
    counts::write_versions(&mut out, report);
    counts::write_checks(&mut out, report);
    evidence::write_evidence(&mut out, report);
    evidence::write_gates(&mut out, report);
    out.push_str(r#"<div class="two">"#);
    write_moves(&mut out, report);
    counts::write_ledger(&mut out, report);
    out.push_str("</div>");
    evidence::write_guards(&mut out, report);
    evidence::write_holds(&mut out, report);
    evidence::write_failures(&mut out, report);
    evidence::write_log_lines(&mut out, report);
    evidence::write_plan(&mut out, report);
    counts::write_epochs(&mut out, report);
    evidence::write_notifications(&mut out, report);
    evidence::write_timeline(&mut out, report);
    let _ = write!(
        out,
        "<footer>Made by tealgate {} of the journal of release {}.</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        Text(&report.release)
    );
    out
}

/// The outcome in a word, and how it is meant.
fn outcome(report: &Report) -> (&'static str, &'static str) {
    match report.outcome {
        None => ("in flight", "neutral"),
        Some(Outcome::Promoted) => ("released", "good"),
        Some(Outcome::Rehearsed) => ("rehearsed", "good"),
        Some(Outcome::RolledBack) if report.rehearsal.is_some() => ("rehearsal failed", "bad"),
        Some(outcome @ (Outcome::RolledBack | Outcome::Refused)) => (outcome.name(), "bad"),
        Some(outcome) => (outcome.name(), "attention"),
    }
}

fn write_head(out: &mut String, report: &Report) {
    let lead = report.plan.as_ref().and_then(|plan| plan.lead());
    let (app, version) = (Text(&report.app), Text(&report.version));
    let (word, mood) = outcome(report);
    let _ = write!(out, "<header><h1>{app} ");
    if let Some(old) = lead.and_then(|lead| lead.old.as_ref()) {
        let _ = write!(out, r#"{}<span class="arrow">→</span>"#, Text(&old.version));
    }
    let _ = write!(out, r#"{version} <span class="badge {mood}">{word}</span></h1>"#);
    let _ = write!(
        out,
        r#"<p class="soft">Release {}, started by {} on {}"#,
        Text(&report.release),
        Text(&report.started_by),
        moment(report.started_at_ms)
    );
    if let Some(decided_at_ms) = report.decided_at_ms {
        let _ = write!(out, ", decided after {}", duration(decided_at_ms - report.started_at_ms));
    }
    out.push_str(".</p>");
    if let Some(why) = &report.why {
        let _ = write!(out, r#"<p class="why {mood}">{}</p>"#, Text(why));
    }
    if let Some(rehearsal) = &report.rehearsal {
        let words = rehearsal.words();
        let _ = write!(out, r#"<p class="why good">Rehearsal: {}.</p>"#, Text(&words));
    }
    for gap in &report.gaps {
        let gap = Text(gap);
        let _ = write!(
            out,
            r#"<p class="why attention">Gateway {gap} went, and with it what it had counted last. What was lost is not known.</p>"#
        );
    }
    out.push_str("</header>\n");
}

fn write_course(out: &mut String, report: &Report) {
    out.push_str(r#"<section class="card"><h2>Over time</h2><div class="legend">"#);
    for (colour, version, role) in sides(report) {
        let _ = write!(
            out,
            r#"<span><i class="key {colour}"></i>{} <span class="soft">({colour}, {role})</span></span>"#,
            Text(&version)
        );
    }
    out.push_str("</div>");
    out.push_str(r#"<div class="scroll">"#);
    plots::write_plots(out, report);
    out.push_str("</div>");
    if let Some(first) = report.phases.first() {
        let guard =
            if report.guards.is_empty() { "" } else { "; guard: there a gateway took it back by itself" };
        let _ = write!(
            out,
            r#"<p class="soft">From {} on. Dashed lines: from there on every gateway ran the new share{guard}.</p>"#,
            moment(first.began_at_ms)
        );
    }
    out.push_str("</section>\n");
}

/// The colours of the release, the old one first, with their versions.
fn sides(report: &Report) -> Vec<(Colour, String, &'static str)> {
    let Some(lead) = report.plan.as_ref().and_then(|plan| plan.lead()) else { return Vec::new() };
    let old = lead.old.as_ref().map(|old| (old.colour, old.version.clone(), "old"));
    old.into_iter().chain([(lead.new.colour, lead.new.version.clone(), "new")]).collect()
}

fn write_moves(out: &mut String, report: &Report) {
    out.push_str(
        r#"<section class="card"><h2>Phases and moves of traffic</h2><div class="scroll"><table><tr><th>phase</th><th class="n">took</th></tr>"#,
    );
    for span in &report.phases {
        let took = span.ended_at_ms.map_or("goes on".to_owned(), |ended| duration(ended - span.began_at_ms));
        let _ = write!(out, r#"<tr><td>{}</td><td class="n">{took}</td></tr>"#, Text(&span.phase));
    }
    out.push_str("</table></div>");
    if !report.moves.is_empty() {
        out.push_str(
            r#"<div class="scroll"><table><tr><th>moved to the new version</th><th class="n">until every gateway ran it</th></tr>"#,
        );
        for moved in &report.moves {
            let took = moved.took_ms.map_or("not seen".to_owned(), |ms| format!("{} ms", grouped(ms)));
            let what = match moved.kind.as_str() {
                "share" if moved.rehearses.is_some() => {
                    format!("0 %, rehearses {} %", moved.rehearses.unwrap_or_default())
                }
                "share" if moved.share == 0 => "preview only".to_owned(),
                "copy" => "copies of live requests".to_owned(),
                "share" => format!("{} %", moved.share),
                "restore" => "back to what was before".to_owned(),
                _ => "commit: the new version is the default".to_owned(),
            };
            let _ = write!(out, r#"<tr><td>{what}</td><td class="n">{took}</td></tr>"#);
        }
        out.push_str("</table></div>");
    }
    out.push_str("</section>\n");
}

/// A quantile in milliseconds, or a dash.
fn latency(us: Option<u64>) -> String {
    us.map_or("–".to_owned(), milliseconds)
}
