//! A report in Markdown.

use super::times::latency;
use super::{Evidence, Report};
use crate::machine::Verdict;
use crate::plan::Plan;
use jiff::Timestamp;
use std::fmt::Write;
use telemetry::counts::Counts;
use telemetry::report::Judged;

/// Writing into a `String` cannot fail, so the results of `writeln!` are dropped.
pub(super) fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let (release, app, version) = (&report.release, &report.app, &report.version);
    let _ = writeln!(out, "# Release {release}: {app} {version}: {}\n", report.headline().0);
    let _ = writeln!(out, "Started by {} at {}.", cell(&report.started_by), time(report.started_at_ms));
    if let Some(why) = &report.why {
        let _ = writeln!(out, "\n**Why:** {}", cell(why));
    }
    if let Some(amiss) = report.amiss(|number| number.to_string()) {
        let _ = writeln!(out, "\n**The new version:** {}.", cell(&amiss));
    }
    write_standing(&mut out, report);
    if let Some(rehearsal) = &report.rehearsal {
        let _ = writeln!(out, "\n**Rehearsal:** {}.", rehearsal.words());
    }
    for gap in &report.gaps {
        let _ = writeln!(out, "\n**Gap:** gateway {gap} went, and with it what it had counted.");
    }
    if let Some(plan) = &report.plan {
        write_plan(&mut out, plan);
    }
    write_moves(&mut out, report);
    write_holds(&mut out, report);
    write_guards(&mut out, report);
    write_evidence(&mut out, report);
    write_gates(&mut out, report);
    write_copies(&mut out, report);
    write_counts(&mut out, report);
    write_checks(&mut out, report);
    write_ledger(&mut out, report);
    write_timeline(&mut out, report);
    write_failures(&mut out, report);
    write_notifications(&mut out, report);
    if !report.log_lines.is_empty() {
        let _ = writeln!(out, "\n## Last log lines of the new version\n");
        for line in &report.log_lines {
            let _ = writeln!(out, "    {}", line.replace(['\r', '\n'], " "));
        }
    }
    out
}

fn write_standing(out: &mut String, report: &Report) {
    let Some(standing) = &report.standing else { return };
    let words = cell(&standing.words(report.outcome.is_some()));
    if standing.goes_on {
        let heading = standing.heading(report.outcome.is_some());
        let _ = writeln!(out, "\n**As of {}, {heading}.** {words}", time(standing.at_ms));
    } else {
        let _ = writeln!(out, "\n{words}");
    }
    for (number, way) in standing.ways.iter().enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        let _ = writeln!(out, "{gap}* `{}` {}", way.command, cell(&way.does));
    }
}

fn write_plan(out: &mut String, plan: &Plan) {
    let _ = writeln!(out, "\n## Plan\n");
    for component in &plan.components {
        let old = component.old.as_ref();
        let old = old.map_or("nothing".to_owned(), |old| format!("{} ({})", old.version, old.colour));
        let new = &component.new;
        let _ = writeln!(out, "* {}: {old} → {} ({})", component.app, new.version, new.colour);
        for route in &component.routes {
            let _ = writeln!(out, "* route {} ({}): {:?}", route.route, cell(&route.matches), route.path);
        }
        for one in &component.parity {
            let _ = writeln!(out, "* differs: {}: {} → {}", one.what, cell(&one.old), cell(&one.new));
        }
    }
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("{} %", step.share)).collect();
    let _ = writeln!(out, "* steps: {}; soak {} ms", steps.join(", "), plan.soak.duration_ms);
    for note in &plan.notes {
        let _ = writeln!(out, "* {}", cell(note));
    }
}

fn write_moves(out: &mut String, report: &Report) {
    if report.moves.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Moves of traffic\n");
    let _ = writeln!(out, "| at | what | new version | until it was so everywhere | by | why |");
    let _ = writeln!(out, "|---|---|---|---|---|---|");
    for moved in &report.moves {
        let took = match (moved.took_us, moved.took_ms) {
            (Some(us), _) => format!("{} (in that gateway)", latency(us)),
            (None, Some(ms)) => format!("{ms} ms"),
            (None, None) => "not seen".to_owned(),
        };
        let at = time(moved.intended_at_ms);
        let step = moved.rehearses.map(|share| format!(" (rehearses {share} %)")).unwrap_or_default();
        let text = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), cell);
        let (by, why) = (text(&moved.by), text(&moved.why));
        let _ = writeln!(out, "| {at} | {}{step} | {} % | {took} | {by} | {why} |", moved.kind, moved.share);
    }
}

fn write_holds(out: &mut String, report: &Report) {
    if report.holds.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Holds\n");
    let _ = writeln!(out, "| hold | waited | left | did not wait | p50 ms | p99 ms | longest ms | in time |");
    let _ = writeln!(out, "|---|---|---|---|---|---|---|---|");
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    for hold in &report.holds {
        let (waited, left, passed) = (hold.waited, hold.left, hold.passed);
        let (p50, p99, longest) = (ms(hold.p50_ms), ms(hold.p99_ms), ms(Some(hold.longest_ms)));
        let in_time = hold.end().why().map_or("yes".to_owned(), |why| format!("**no**: {why}"));
        let id = &hold.id;
        let _ =
            writeln!(out, "| {id} | {waited} | {left} | {passed} | {p50} | {p99} | {longest} | {in_time} |");
    }
}

fn write_guards(out: &mut String, report: &Report) {
    if report.guards.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Guard\n");
    let _ = writeln!(
        out,
        "| fired at | in | bound | old version | new version | e-value | found in ms | swapped in ms | latched |"
    );
    let _ = writeln!(out, "|---|---|---|---|---|---|---|---|---|");
    for one in &report.guards {
        let trip = &one.trip;
        let (at, bound) = (time(trip.at_ms), cell(&trip.bound));
        let judged = |counted: Judged| format!("{} of {} failed", counted.failed, counted.requests);
        let (old, new) = (judged(trip.old), judged(trip.new));
        let e_value = trip.e_value.map_or("-".to_owned(), |e_value| format!("{e_value:.0}"));
        let found = trip.found_in_ms.map_or("-".to_owned(), |ms| ms.to_string());
        let swapped =
            trip.swapped_in_us.map_or("not seen".to_owned(), |us| format!("{:.1}", us as f64 / 1_000.0));
        let latched = if trip.latched { "yes" } else { "**no**" };
        let _ = writeln!(
            out,
            "| {at} | {} | {bound} | {old} | {new} | {e_value} | {found} | {swapped} | {latched} |",
            one.gateway
        );
    }
    for line in report.guards.iter().flat_map(|one| &one.trip.evidence) {
        let _ = writeln!(out, "\n* {}", cell(line));
    }
}

fn write_evidence(out: &mut String, report: &Report) {
    if report.evidence.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Evidence\n");
    let _ = writeln!(
        out,
        "Both versions, compared. *Times* says how many times better a worse version explains what was seen than"
    );
    let _ = writeln!(
        out,
        "chance does; at *proof* it is proven, with the chance of a false alarm that the plan says.\n"
    );
    let _ =
        writeln!(out, "| by | what | verdict | new version | old version | times | proof at | proven at |");
    let _ = writeln!(out, "|---|---|---|---|---|---|---|---|");
    for Evidence { by, finding } in &report.evidence {
        let (what, verdict) = (finding.named(), finding.verdict.name());
        let Some(figures) = finding.shown() else {
            let _ = writeln!(out, "| {} | {} | {verdict} | - | - | - | - | - |", cell(by), cell(&what));
            continue;
        };
        let (new, old) = (figures.green.words(), figures.blue.words());
        let (times, proof) = (figures.times(), figures.proof());
        let at = figures.crossing.map_or("-".to_owned(), |crossing| time(crossing.at_ms));
        let (by, what) = (cell(by), cell(&what));
        let _ = writeln!(out, "| {by} | {what} | {verdict} | {new} | {old} | {times} | {proof} | {at} |");
    }
    for Evidence { by, finding } in &report.evidence {
        let _ = writeln!(out, "\n* {}: {}", cell(by), cell(&finding.words));
    }
}

fn write_gates(out: &mut String, report: &Report) {
    if report.gates.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Gates\n");
    for gate in &report.gates {
        let verdict = match gate.verdict {
            Verdict::Pass => "pass",
            Verdict::Approved => "approved",
            Verdict::Fail => "**fail**",
            Verdict::Inconclusive => "inconclusive",
        };
        let (name, when, runs) = (&gate.name, &gate.when, gate.runs);
        let _ = writeln!(out, "* {name} ({when}): {verdict}, runs: {runs}: {}", cell(&gate.summary));
        for line in &gate.evidence {
            let _ = writeln!(out, "    * {}", cell(line));
        }
    }
}

fn write_copies(out: &mut String, report: &Report) {
    let copies = report.gates.iter().filter_map(|gate| Some((gate, gate.shadow.as_ref()?)));
    for (gate, found) in copies.filter(|(_, found)| !found.differences.is_empty()) {
        let _ = writeln!(out, "\n## Differences found by gate {}\n", cell(&gate.name));
        let _ = writeln!(out, "| what differs | in pairs | the live version with itself | | for example |");
        let _ = writeln!(out, "|---|---|---|---|---|");
        for one in &found.differences {
            let (words, examples) = (cell(&one.words()), cell(&one.examples().join(", ")));
            let (pairs, itself) = (one.group.pairs, one.group.itself);
            let meaning = match one.meaning() {
                "differs" => "**differs**",
                other => other,
            };
            let (all, again) = (found.compared, found.second_compared);
            let _ = writeln!(
                out,
                "| {words} | {pairs} of {all} | {itself} of {again} | {meaning} | {examples} |"
            );
        }
        if found.not_listed > 0 {
            let _ = writeln!(out, "\n{} further kinds of differences are not listed.", found.not_listed);
        }
    }
}

fn write_counts(out: &mut String, report: &Report) {
    let Some(account) = report.counts.as_ref().filter(|account| !account.rows.is_empty()) else { return };
    let _ = writeln!(out, "\n## Counts by epoch\n\nCounted until {}.\n", time(account.at_ms));
    let _ = writeln!(
        out,
        "| epoch | answerer | lane | received | whole | 5xx | cut short | left | drained | open | p99 |"
    );
    let _ = writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|");
    for row in &account.rows {
        let Counts { received, cut_short, client_left, drained, open, .. } = &row.counts;
        let (whole, [.., errors]) = (row.counts.whole_total(), row.counts.whole);
        let p99 = row.counts.latency.quantile(0.99).map_or("-".to_owned(), latency);
        let who = row.answerer.name();
        let _ = writeln!(
            out,
            "| {} | {who} | {:?} | {received} | {whole} | {errors} | {cut_short} | {client_left} | {drained} | {open} | {p99} |",
            row.epoch, row.lane
        );
    }
}

fn write_checks(out: &mut String, report: &Report) {
    let rows = report.checks.iter().flat_map(|check| check.rows().map(move |row| (&check.name, row)));
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n## Checks of the business\n");
    let _ = writeln!(out, "| check | answers of | passed | failed | not examined |\n|---|---|---|---|---|");
    for (name, row) in rows {
        let (name, version) = (cell(name), cell(&row.version));
        let (colour, passed, failed) = (row.colour, row.passed, row.failed);
        let not_examined = row.not_examined(|number| number.to_string());
        let _ = writeln!(out, "| {name} | {version} ({colour}) | {passed} | {failed} | {not_examined} |");
    }
}

fn write_ledger(out: &mut String, report: &Report) {
    let _ = writeln!(out, "\n## Ledger\n");
    let ledger = &report.ledger;
    let Some(at_ms) = ledger.counted_at_ms else {
        let _ = writeln!(out, "Nothing: the release has moved no traffic.");
        return;
    };
    if ledger.is_unended() {
        let _ = writeln!(out, "Counted until {}; what was open then may have ended since.\n", time(at_ms));
    }
    for (name, value) in ledger.lines(|number| number.to_string()) {
        let _ = writeln!(out, "* {name}: {value}");
    }
}

fn write_failures(out: &mut String, report: &Report) {
    if report.failures.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Failed requests of the new version\n");
    for one in &report.failures {
        let at = time(one.at_us / 1_000);
        let (method, target, upstream) = (&one.method, cell(&one.target), &one.upstream);
        let (ending, ms) = (one.ending, one.total_us / 1_000);
        let status = format!("{} (upstream {})", one.status, one.upstream_status);
        let _ =
            writeln!(out, "* {at} {method} {target} → {status} from {upstream}, {ending:?} after {ms} ms");
    }
}

fn write_notifications(out: &mut String, report: &Report) {
    if report.notifications.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Notifications\n");
    for receiver in &report.notifications {
        let (name, to, delivered) = (&receiver.name, cell(&receiver.to), receiver.delivered);
        let (waiting, given_up) = (receiver.waiting, receiver.given_up);
        let _ = writeln!(
            out,
            "* {name} at {to}: {delivered} delivered, {waiting} not delivered yet, {given_up} given up"
        );
        for unsent in &receiver.unsent {
            let (id, event, why) = (cell(&unsent.id), unsent.event.name(), cell(&unsent.why));
            let _ = writeln!(out, "    * **given up:** {event} ({id}): {why}");
        }
    }
}

fn write_timeline(out: &mut String, report: &Report) {
    let _ = writeln!(out, "\n## Timeline\n");
    for line in &report.timeline {
        let _ = writeln!(out, "* {} {}: {}", time(line.at_ms), cell(&line.actor), cell(&line.what));
    }
}

fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or(at_ms.to_string(), |at| format!("{at:.3}"))
}

/// Text that may come from anywhere, as one line that Markdown does not read.
fn cell(text: &str) -> String {
    text.replace(['\r', '\n'], " ").replace('|', "\\|").replace('<', "&lt;")
}
