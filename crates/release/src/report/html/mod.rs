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

use super::{Amiss, Report, times};
use crate::journal::Move;
use crate::machine::Outcome;
use model::colour::Colour;
use std::fmt::Write;
use telemetry::counts::Counts;
use text::{Text, duration, grouped, moment, time_of_day};

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
        Text(report.headline().0)
    );
    write_head(&mut out, report);
    counts::write_tiles(&mut out, report);
    write_course(&mut out, report);
    counts::write_versions(&mut out, report);
    counts::write_checks(&mut out, report);
    evidence::write_evidence(&mut out, report);
    evidence::write_gates(&mut out, report);
    out.push_str(r#"<div class="two">"#);
    write_phases(&mut out, report);
    counts::write_ledger(&mut out, report);
    out.push_str("</div>");
    write_switches(&mut out, report);
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

fn write_head(out: &mut String, report: &Report) {
    let lead = report.plan.as_ref().and_then(|plan| plan.lead());
    let (app, version) = (Text(&report.app), Text(&report.version));
    let (headline, mood) = report.headline();
    let (word, mood) = (Text(headline), mood.name());
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
    if let Some(users) = report.amiss(grouped).filter(|_| report.outcome == Some(Outcome::Promoted)) {
        let lead = lead.map(|lead| lead.new.colour);
        let counts = lead.and_then(|colour| Some(report.counts.as_ref()?.of_users(colour)));
        let is_amiss = |counts: Counts| counts.failed() + Amiss::of(&counts).open > 0;
        let mood = if counts.is_some_and(is_amiss) { "attention" } else { "good" };
        let _ = write!(out, r#"<p class="why {mood}">promoted: {}</p>"#, Text(&users));
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
    write_standing(out, report);
    out.push_str("</header>\n");
}

/// What is left to do, and how.
fn write_standing(out: &mut String, report: &Report) {
    let Some(standing) = &report.standing else { return };
    let words = standing.words(report.outcome.is_some());
    let words = Text(&words);
    if !standing.goes_on {
        let _ = write!(out, r#"<p class="left soft">{words}</p>"#);
        return;
    }
    let mood = if standing.asks_person() { "attention" } else { "neutral" };
    let at = moment(standing.at_ms);
    let heading = standing.heading(report.outcome.is_some());
    let _ = write!(out, r#"<div class="why {mood}"><p><b>As of {at}, {heading}.</b> {words}</p>"#);
    if !standing.ways.is_empty() {
        out.push_str(r#"<ul class="plain">"#);
        for way in &standing.ways {
            let (command, does) = (Text(&way.command), Text(&way.does));
            let _ = write!(out, "<li><code>{command}</code> <span>{does}</span></li>");
        }
        out.push_str("</ul>");
    }
    out.push_str("</div>");
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

/// A colour, its version, and whether that is the `old` or the `new` one.
type Side = (Colour, String, &'static str);

/// The colours of the release, the old one first, with their versions.
fn sides(report: &Report) -> Vec<Side> {
    let Some(lead) = report.plan.as_ref().and_then(|plan| plan.lead()) else { return Vec::new() };
    let old = lead.old.as_ref().map(|old| (old.colour, old.version.clone(), "old"));
    old.into_iter().chain([(lead.new.colour, lead.new.version.clone(), "new")]).collect()
}

fn write_phases(out: &mut String, report: &Report) {
    out.push_str(
        r#"<section class="card"><h2>Phases</h2><div class="scroll"><table><tr><th>phase</th><th class="n">took</th></tr>"#,
    );
    for span in &report.phases {
        let took = span.ended_at_ms.map_or("goes on".to_owned(), |ended| duration(ended - span.began_at_ms));
        let _ = write!(out, r#"<tr><td>{}</td><td class="n">{took}</td></tr>"#, Text(&span.phase));
    }
    out.push_str("</table></div>");
    out.push_str("</section>\n");
}

/// Who moved the traffic, when and why: controllers, and guards by themselves.
fn write_switches(out: &mut String, report: &Report) {
    if report.moves.is_empty() {
        return;
    }
    out.push_str(
        r#"<section class="card long"><h2>Moves of traffic</h2><div class="scroll"><table><tr><th>at (UTC)</th><th>what</th><th class="n">until it was so</th><th>by</th><th>why</th></tr>"#,
    );
    for moved in &report.moves {
        let took = match (moved.took_us, moved.took_ms) {
            (Some(us), _) => format!("{} in that gateway", times::latency(us)),
            (None, Some(ms)) => format!("{} ms", grouped(ms)),
            (None, None) => "not seen".to_owned(),
        };
        let what = match moved.kind.as_str() {
            "share" if moved.rehearses.is_some() => {
                format!("0 %, rehearses {} %", moved.rehearses.unwrap_or_default())
            }
            "share" if moved.share == 0 => "preview only".to_owned(),
            "copy" => "copies of live requests".to_owned(),
            "share" => format!("{} % to the new version", moved.share),
            "restore" => "back to what was before".to_owned(),
            Move::GUARD => "all users back to the old version".to_owned(),
            _ => "the new version is the default".to_owned(),
        };
        let text = |text: &Option<String>| text.clone().unwrap_or("–".to_owned());
        let (at, by, why) = (time_of_day(moved.intended_at_ms), text(&moved.by), text(&moved.why));
        let (by, why) = (Text(&by), Text(&why));
        let _ = write!(
            out,
            r#"<tr><td class="nowrap">{at}</td><td>{what}</td><td class="n">{took}</td><td class="soft">{by}</td><td>{why}</td></tr>"#
        );
    }
    out.push_str("</table></div></section>\n");
}

/// A quantile in milliseconds, or a dash.
fn latency(us: Option<u64>) -> String {
    us.map_or("–".to_owned(), times::latency)
}
