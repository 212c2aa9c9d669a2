//! What was found and what was done: gates, holds, failed requests, log lines, plan, timeline.

use super::shadow;
use super::text::{Text, duration, grouped, moment, time_of_day};
use crate::machine::Verdict;
use crate::plan::Component;
use crate::report::{Evidence, Report};
use model::record::Ending;
use std::fmt::Write;

fn section(out: &mut String, title: &str) {
    let _ = write!(out, r#"<section class="card long"><h2>{}</h2>"#, Text(title));
}

const END: &str = "</section>\n";

pub(super) fn write_gates(out: &mut String, report: &Report) {
    if report.gates.is_empty() {
        return;
    }
    section(out, "Gates and their evidence");
    for gate in &report.gates {
        let (word, mood) = match gate.verdict {
            Verdict::Pass => ("pass", "good"),
            Verdict::Approved => ("approved", "good"),
            Verdict::Fail => ("fail", "bad"),
            Verdict::Inconclusive => ("inconclusive", "attention"),
        };
        let (name, when, summary) = (Text(&gate.name), Text(&gate.when), Text(&gate.summary));
        let runs = if gate.runs > 1 { format!(", {} runs", gate.runs) } else { String::new() };
        let _ = write!(
            out,
            r#"<div class="gate"><b>{name}</b> <span class="soft">{when}{runs}</span> <span class="badge {mood}">{word}</span><br>{summary}"#
        );
        if !gate.evidence.is_empty() {
            let _ = write!(out, "<pre>{}</pre>", Text(&gate.evidence.join("\n")));
        }
        if let Some(found) = &gate.shadow {
            shadow::write_differences(out, found);
        }
        out.push_str("</div>");
    }
    out.push_str(END);
}

pub(super) fn write_evidence(out: &mut String, report: &Report) {
    if report.evidence.is_empty() {
        return;
    }
    section(out, "Evidence: is the new version worse?");
    out.push_str(
        r#"<p class="soft">Times: how many times better a worse version explains what was seen than chance does. At proof it is proven, with the chance of a false alarm that the plan says.</p><div class="scroll"><table><tr><th>by</th><th>what</th><th>verdict</th><th class="n">new version</th><th class="n">old version</th><th class="n">times</th><th class="n">proof at</th><th>proven at</th></tr>"#,
    );
    for Evidence { by, finding } in &report.evidence {
        let mood = match finding.verdict {
            judge::verdict::Verdict::Pass => "good",
            judge::verdict::Verdict::Inconclusive => "attention",
            judge::verdict::Verdict::Fail => "bad",
        };
        let (what, word) = (finding.named(), finding.verdict.name());
        let _ = write!(
            out,
            r#"<tr><td>{}</td><td title="{}">{}</td><td><span class="badge {mood}">{word}</span></td>"#,
            Text(by),
            Text(&finding.words),
            Text(&what)
        );
        match finding.shown() {
            Some(figures) => {
                let at = figures.crossing.map_or("–".to_owned(), |crossing| time_of_day(crossing.at_ms));
                let (new, old) = (figures.green.words(), figures.blue.words());
                let (times, proof) = (figures.times(), figures.proof());
                let _ = write!(
                    out,
                    r#"<td class="n">{new}</td><td class="n">{old}</td><td class="n">{times}</td><td class="n">{proof}</td><td>{at}</td></tr>"#
                );
            }
            None => {
                let _ = write!(out, r#"<td colspan="5">{}</td></tr>"#, Text(&finding.words));
            }
        }
    }
    out.push_str("</table></div>");
    out.push_str(END);
}

pub(super) fn write_holds(out: &mut String, report: &Report) {
    if report.holds.is_empty() {
        return;
    }
    section(out, "Holds: who waited while the share moved");
    out.push_str(r#"<ul class="plain">"#);
    for hold in &report.holds {
        let _ = write!(out, "<li><b>{}</b> {}</li>", Text(&hold.id), Text(&hold.words()));
    }
    out.push_str("</ul>");
    out.push_str(END);
}

pub(super) fn write_guards(out: &mut String, report: &Report) {
    if report.guards.is_empty() {
        return;
    }
    section(out, "The guard: what a gateway took back by itself");
    out.push_str(r#"<ul class="plain">"#);
    for guard in &report.guards {
        let (at, gateway) = (time_of_day(guard.trip.at_ms), Text(&guard.gateway));
        let _ = write!(out, "<li>{at} <b>{gateway}</b> {}</li>", Text(&guard.words()));
    }
    out.push_str("</ul>");
    out.push_str(END);
}

pub(super) fn write_failures(out: &mut String, report: &Report) {
    if report.failures.is_empty() {
        return;
    }
    section(out, "Failed requests of the new version");
    out.push_str(
        r#"<div class="scroll"><table><tr><th>at</th><th>request</th><th>status</th><th>upstream</th><th>ending</th><th class="n">after</th></tr>"#,
    );
    for one in &report.failures {
        let status = match (one.status, one.upstream_status) {
            (status, upstream) if status == upstream => status.to_string(),
            (status, upstream) => format!("{status} (upstream {upstream})"),
        };
        let _ = write!(
            out,
            r#"<tr><td class="nowrap">{}</td><td><code>{} {}</code></td><td>{status}</td><td><code>{}</code></td><td>{}</td><td class="n">{}</td></tr>"#,
            time_of_day(one.at_us / 1_000),
            Text(&one.method),
            Text(&one.target),
            Text(&one.upstream),
            ending(one.ending),
            super::latency(Some(one.total_us)),
        );
    }
    out.push_str("</table></div>");
    out.push_str(END);
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Whole => "whole",
        Ending::CutShort => "cut short",
        Ending::ClientLeft => "client left",
        Ending::Drained => "drained",
    }
}

pub(super) fn write_log_lines(out: &mut String, report: &Report) {
    if report.log_lines.is_empty() {
        return;
    }
    section(out, "Last log lines of the new version");
    let _ = write!(out, "<pre>{}</pre>", Text(&report.log_lines.join("\n")));
    out.push_str(END);
}

pub(super) fn write_plan(out: &mut String, report: &Report) {
    let Some(plan) = &report.plan else { return };
    section(out, "Plan");
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| match step.pause_ms {
            0 => format!("{} %", step.share),
            ms => format!("{} % for {}", step.share, duration(i64::try_from(ms).unwrap_or(i64::MAX))),
        })
        .collect();
    let soak = duration(i64::try_from(plan.soak.duration_ms).unwrap_or(i64::MAX));
    let _ = write!(out, "<p>Steps: {}; soak {soak}.</p>", Text(&steps.join(", ")));
    for note in &plan.notes {
        let _ = write!(out, r#"<p class="soft">{}</p>"#, Text(note));
    }
    for component in &plan.components {
        write_component(out, component);
    }
    out.push_str(END);
}

fn write_component(out: &mut String, component: &Component) {
    if !component.routes.is_empty() {
        out.push_str(r#"<div class="scroll"><table><tr><th>route</th><th>matches</th><th>reaches the service</th></tr>"#);
        for route in &component.routes {
            let _ = write!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                Text(&route.route),
                Text(&route.matches),
                Text(&format!("{:?}", route.path))
            );
        }
        out.push_str("</table></div>");
    }
    if !component.parity.is_empty() {
        out.push_str(r#"<div class="scroll"><table><tr><th>differs</th><th>old</th><th>new</th></tr>"#);
        for one in &component.parity {
            let (what, old, new) = (Text(&one.what), Text(&one.old), Text(&one.new));
            let _ = write!(out, r#"<tr><td class="nowrap">{what}</td><td>{old}</td><td>{new}</td></tr>"#);
        }
        out.push_str("</table></div>");
    }
}

pub(super) fn write_notifications(out: &mut String, report: &Report) {
    if report.notifications.is_empty() {
        return;
    }
    section(out, "Notifications");
    out.push_str(
        r#"<div class="scroll"><table><tr><th>receiver</th><th>at</th><th class="n">delivered</th><th class="n">waiting</th><th class="n">given up</th></tr>"#,
    );
    for receiver in &report.notifications {
        let given_up = if receiver.given_up > 0 { "n bad" } else { "n" };
        let _ = write!(
            out,
            r#"<tr><td>{}</td><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="{given_up}">{}</td></tr>"#,
            Text(&receiver.name),
            Text(&receiver.to),
            grouped(receiver.delivered),
            grouped(receiver.waiting),
            grouped(receiver.given_up)
        );
    }
    out.push_str("</table></div>");
    for receiver in &report.notifications {
        for unsent in &receiver.unsent {
            let (name, id, why) = (Text(&receiver.name), Text(&unsent.id), Text(&unsent.why));
            let event = unsent.event.name();
            let _ = write!(out, r#"<p class="bad">{name} was not told of {event} ({id}): {why}</p>"#);
        }
    }
    out.push_str(END);
}

pub(super) fn write_timeline(out: &mut String, report: &Report) {
    section(out, "Timeline");
    let day = report.timeline.first().map(|line| moment(line.at_ms));
    let _ = write!(out, r#"<p class="soft">The journal in words, from {} on.</p>"#, day.unwrap_or_default());
    out.push_str(r#"<div class="scroll"><table><tr><th>at (UTC)</th><th>who</th><th>what</th></tr>"#);
    for line in &report.timeline {
        let (at, actor, what) = (time_of_day(line.at_ms), Text(&line.actor), Text(&line.what));
        let _ = write!(
            out,
            r#"<tr><td class="nowrap">{at}</td><td class="soft nowrap">{actor}</td><td>{what}</td></tr>"#
        );
    }
    out.push_str("</table></div>");
    out.push_str(END);
}
