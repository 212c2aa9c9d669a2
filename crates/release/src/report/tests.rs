use super::*;
use model::record::{Answerer, Lane};
use telemetry::counts::{Counts, Examined};

fn row(answerer: Answerer, counts: Counts) -> Row {
    Row { epoch: 1, answerer, lane: Lane::Share, counts }
}

fn account(rows: Vec<Row>) -> Account {
    Account { since: Some(1), gateways: vec!["gw".to_owned()], rows, ..Account::default() }
}

#[test]
fn every_request_is_in_exactly_one_line_of_the_ledger() {
    let green = Counts {
        received: 20,
        whole: [0, 10, 0, 0, 3],
        gate_errors: 2,
        cut_short: 1,
        client_left: 2,
        drained: 1,
        open: 3,
        ..Counts::default()
    };
    let blue = Counts { received: 5, whole: [0, 5, 0, 0, 0], ..Counts::default() };
    let ledger =
        Ledger::of(Some(&account(vec![row(Answerer::Blue, blue), row(Answerer::Green, green)])), false);
    let lines = ledger.blue
        + ledger.green
        + ledger.gate
        + ledger.blue_cut_short
        + ledger.green_cut_short
        + ledger.client_left
        + ledger.drained
        + ledger.open;
    assert_eq!((ledger.received, lines), (25, 25));
    assert_eq!((ledger.blue, ledger.green, ledger.gate), (5, 11, 2));
    assert_eq!((ledger.blue_gate_errors, ledger.green_gate_errors), (0, 2));
    assert_eq!((ledger.blue_client_left, ledger.green_client_left), (0, 2));
    assert_eq!((ledger.green_drained, ledger.green_open), (1, 3));
    assert_eq!(ledger.lost, Lost::Known(1), "the one that was cut short");
}

#[test]
fn what_was_cut_short_is_lost_and_a_gap_makes_that_unknown() {
    let counts = Counts { received: 9, whole: [0, 5, 0, 0, 0], cut_short: 2, open: 2, ..Counts::default() };
    let account = account(vec![row(Answerer::Blue, counts)]);
    assert_eq!(Ledger::of(Some(&account), false).lost, Lost::Known(2));
    assert_eq!(Ledger::of(Some(&account), true).lost, Lost::Unknown);
    assert_eq!(Ledger::of(None, false).lost, Lost::Unknown, "nothing was counted");
}

#[test]
fn what_is_lost_is_a_number_or_the_word_unknown() {
    for (lost, json) in [(Lost::Known(3), "3"), (Lost::Unknown, "\"unknown\"")] {
        assert_eq!(serde_json::to_string(&lost).unwrap(), json);
        assert_eq!(serde_json::from_str::<Lost>(json).unwrap(), lost);
    }
    assert!(serde_json::from_str::<Lost>("\"none\"").is_err());
}

#[test]
fn what_checks_have_said_is_told_by_their_names_for_both_colours() {
    let mut plan = crate::notify::tests::planned();
    let check = |name: &str| serde_json::json!({"name": name, "header": "x", "fails_if": "missing"});
    plan.checks = serde_json::from_value(serde_json::json!([check("order"), check("paid")])).unwrap();
    let counts = |passed, failed, unexamined| {
        let mut counts = Counts::default();
        counts.checks[1] = Examined { passed, failed, unexamined };
        (counts.received, counts.client_left) = (passed, failed);
        counts
    };
    let preview = Row { lane: Lane::Matched, ..row(Answerer::Green, counts(100, 100, 100)) };
    let rows = vec![
        row(Answerer::Green, counts(7, 2, 1)),
        row(Answerer::Green, counts(1, 0, 0)),
        row(Answerer::Blue, counts(90, 0, 0)),
        preview,
    ];
    let account = account(rows);
    let (ledger, checks) = (Ledger::of(None, false), CheckSummary::all(Some(&plan), Some(&account)));
    let report = serde_json::json!({"release": "r", "app": "a", "version": "v", "started_by": "b", "started_at_ms": 0,
        "plan": plan, "phases": [], "moves": [], "timeline": [], "gaps": [], "gates": [], "counts": account, "ledger": ledger,
        "checks": checks, "log_lines": [], "failures": []});
    let report: Report = serde_json::from_value(report).unwrap();
    let lead = plan.lead().unwrap();
    let (old, new) = (&lead.old.as_ref().unwrap().version, &lead.new.version);
    let said = format!(
        "| check | answers of | passed | failed | not examined |\n|---|---|---|---|---|\n\
         | paid | {old} (blue) | 90 | 0 | 0 |\n| paid | {new} (green) | 8 | 2 | 1 (failed or broken off 1) |\n\n"
    );
    let markdown = report.to_markdown();
    assert!(markdown.contains(&said), "{markdown}");
    let amiss = "**The new version:** 2 of its answers failed check paid, 2 of its requests were left by their clients.";
    assert!(markdown.contains(amiss), "{markdown}");
    let page = report.to_html();
    assert!(page.contains("<h2>Checks of the business</h2>") && page.contains("<td>paid</td>"));
    assert!(page.contains("failed check paid</span>"));
    assert!(!page.contains("<td>order</td>"), "nobody asked");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["checks"][1]["name"], "paid");
    assert_eq!(
        (&json["checks"][1]["new"]["failed"], &json["checks"][1]["old"]["passed"]),
        (&2.into(), &90.into())
    );
}
