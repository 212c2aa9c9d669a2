//! The evidence for and against the new version, as rows below the shift and the soak, from its first requests on.

use crate::tree::numbers::grouped;
use crate::tree::picture::{PhaseRow, Standing};
use judge::figures::percent;
use judge::historical::Basis;
use judge::tally::Tally;
use judge::verdict::{Figures, Finding, Verdict};
use release::report::Evidence;
use release::view::ReleaseView;

/// What is to be seen below a phase. Of the guards only the one whose evidence is strongest.
pub(super) fn rows(phase: &str, view: &ReleaseView) -> Vec<PhaseRow> {
    // Where a share is held back, both versions go on being compared in the soak.
    let to_soak = view.hold_back > 0 && view.phases.iter().any(|span| span.phase == "soak");
    let belongs = |one: &&Evidence| {
        let of_soak = to_soak || one.finding.basis == Basis::Historical;
        phase == if of_soak { "soak" } else { "shift" }
    };
    let (guards, judge): (Vec<&Evidence>, Vec<&Evidence>) =
        view.evidence.iter().filter(belongs).partition(|one| one.is_by_guard());
    let strongest = guards.into_iter().max_by_key(|one| one.strength());
    judge.into_iter().chain(strongest).map(|one| row(one, view.outcome.is_some())).collect()
}

fn row(one: &Evidence, is_over: bool) -> PhaseRow {
    let standing = match one.finding.verdict {
        Verdict::Pass => Standing::Done,
        // It will not be proven any more.
        Verdict::Inconclusive if is_over => Standing::Skipped,
        Verdict::Inconclusive => Standing::Running,
        Verdict::Fail => Standing::Failed,
    };
    let by = if one.is_by_guard() { "guard" } else { one.by.as_str() };
    // What else there is to say of a check stands in the report.
    let (check, basis) = (&one.finding.check, one.finding.basis);
    let check = check.split(" (").next().unwrap_or_default();
    let basis = if basis == Basis::Historical { " (historical)" } else { "" };
    let name = format!("{by}: {check}{basis}");
    // Where one side has nothing to compare, it is said why.
    let detail = one.finding.shown().map_or_else(|| reason(&one.finding), |figures| in_numbers(&figures));
    PhaseRow { detail, ..PhaseRow::new(&name, standing) }
}

/// Its words without the check, which stands before them.
fn reason(finding: &Finding) -> String {
    let words = finding.words.as_str();
    let reason = words.strip_prefix(&finding.check).and_then(|rest| rest.strip_prefix(": "));
    reason.unwrap_or(words).to_owned()
}

/// `9 of 1,020 (0.88 %), old 2 of 9,180 (0.022 %), evidence 12 of 2000`: as many times better a worse version explains it
/// than chance, of as many as are proof.
fn in_numbers(figures: &Figures) -> String {
    let counted = |tally: Tally| {
        let rate = tally.rate().map(|rate| format!(" ({})", percent(rate))).unwrap_or_default();
        format!("{} of {}{rate}", grouped(tally.failed), grouped(tally.units))
    };
    let (new, old) = (counted(figures.green), counted(figures.blue));
    let (times, proof) = (figures.times(), figures.proof());
    format!("{new}, old {old}, evidence {times} of {proof}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::journal::Span;

    fn evidence(by: &str, e_value: f64, basis: Basis) -> Evidence {
        let (blue, green) = (Tally::new(9_180, 2), Tally::new(1_020, 9));
        let figures = Figures { blue, green, e_value, threshold: 2_000.0, detectable: None, crossing: None };
        let (check, words) = ("failures".to_owned(), String::new());
        let verdict = Verdict::Inconclusive;
        let finding = Finding { check, basis, verdict, words, figures: Some(figures) };
        Evidence { by: by.to_owned(), finding }
    }

    #[test]
    fn evidence_is_to_be_seen_before_the_verdict_and_of_the_guards_the_strongest() {
        let mut view = crate::tree::of_view::tests::view(|_| {});
        view.evidence = vec![
            evidence("judge", 12.0, Basis::Concurrent),
            evidence("guard in a", 3.0, Basis::Concurrent),
            evidence("guard in b", 40.0, Basis::Concurrent),
            evidence("judge", 7.0, Basis::Historical),
        ];
        let rows_of = |phase| rows(phase, &view).into_iter().map(|row| (row.name, row.standing, row.detail));
        let shift: Vec<_> = rows_of("shift").collect();
        let said = "9 of 1,020 (0.88 %), old 2 of 9,180 (0.022 %), evidence 12 of 2000";
        assert_eq!(shift[0], ("judge: failures".to_owned(), Standing::Running, said.to_owned()));
        assert_eq!(shift[1].0, "guard: failures");
        assert!(shift[1].2.contains("evidence 40 of") && shift.len() == 2, "{shift:?}");
        let soak: Vec<String> = rows_of("soak").map(|(name, ..)| name).collect();
        assert_eq!(soak, ["judge: failures (historical)"]);
        assert_eq!(rows_of("test").count(), 0);
        view.outcome = Some(release::machine::Outcome::Promoted);
        assert!(
            rows("shift", &view).iter().all(|row| row.standing == Standing::Skipped),
            "nobody looks any more"
        );
    }

    #[test]
    fn with_a_hold_back_the_evidence_goes_on_in_the_soak() {
        let mut view = crate::tree::of_view::tests::view(|value| {
            value["hold_back"] = serde_json::json!(5);
        });
        view.evidence = vec![evidence("judge", 12.0, Basis::Concurrent)];
        assert_eq!((rows("shift", &view).len(), rows("soak", &view).len()), (1, 0), "not yet");
        let soak = Span { phase: "soak".to_owned(), began_at_ms: 9_000, ended_at_ms: None };
        view.phases.push(soak);
        assert_eq!((rows("shift", &view).len(), rows("soak", &view).len()), (0, 1));
    }

    #[test]
    fn what_has_nothing_to_compare_with_says_why() {
        let mut view = crate::tree::of_view::tests::view(|_| {});
        let mut one = evidence("judge", 1.0, Basis::Historical);
        one.finding.figures.as_mut().unwrap().blue = Tally::default();
        one.finding.words = "failures: too little traffic; before are 2 requests".to_owned();
        view.evidence = vec![one];
        assert_eq!(rows("soak", &view)[0].detail, "too little traffic; before are 2 requests");
    }
}
