//! What a shadow gate found, as a table of differences.

use super::text::{Text, grouped};
use crate::report::ShadowSummary;
use std::fmt::Write;

pub(super) fn write_differences(out: &mut String, found: &ShadowSummary) {
    if found.differences.is_empty() {
        return;
    }
    out.push_str(
        r#"<div class="scroll"><table><tr><th>what differs</th><th></th><th class="n">in pairs</th><th class="n">the live version with itself</th><th>for example</th></tr>"#,
    );
    for one in &found.differences {
        let word = one.meaning();
        let mood = match (one.noise, one.unsure) {
            (true, _) => "neutral",
            (_, true) => "attention",
            _ => "bad",
        };
        let of = |count: u64, all: u64| format!("{} of {}", grouped(count), grouped(all));
        let _ = write!(
            out,
            r#"<tr><td><code>{}</code></td><td><span class="badge {mood}">{word}</span></td><td class="n">{}</td><td class="n">{}</td><td>"#,
            Text(&one.words()),
            of(one.group.pairs, found.compared),
            of(one.group.itself, found.second_compared)
        );
        for (place, example) in one.examples().iter().enumerate() {
            let line = if place > 0 { "<br>" } else { "" };
            let _ = write!(out, "{line}<code>{}</code>", Text(example));
        }
        out.push_str("</td></tr>");
    }
    out.push_str("</table></div>");
    if found.not_listed > 0 {
        let _ = write!(
            out,
            r#"<p class="soft">{} further kinds of differences are not listed.</p>"#,
            grouped(found.not_listed)
        );
    }
}
