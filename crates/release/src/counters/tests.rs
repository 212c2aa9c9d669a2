use super::*;
use crate::machine::Traffic;
use crate::report::HoldEnd;
use model::policy::Limits;
use serde_json::json;
use telemetry::report::{HoldReport, ShadowReport};
use telemetry::series::SeriesKey;

fn series(answerer: Answerer, lane: Lane, epoch: Revision, good: u64, bad: u64, open: u64) -> SeriesCounts {
    let key = SeriesKey {
        route: "r".to_owned(),
        service: "s".to_owned(),
        app: "shop".to_owned(),
        answerer,
        lane,
        epoch,
    };
    let mut counts = Counts { received: good + bad + open, open, ..Counts::default() };
    counts.whole = [0, good, 0, 0, bad];
    SeriesCounts { key, counts }
}

fn report(instance: &str, applied: Revision, series: Vec<SeriesCounts>) -> Report {
    let detail =
        GatewayReport { series, listen: vec!["0.0.0.0:9080".parse().unwrap()], ..GatewayReport::default() };
    Report {
        instance: instance.to_owned(),
        role: "gateway".to_owned(),
        applied: Some(applied),
        at_ms: 10_000,
        detail: serde_json::to_value(detail).unwrap(),
    }
}

fn limits() -> Limits {
    Limits { max_error_rate: Some(0.05), max_p99_ms: None, min_requests: 20 }
}

/// What follows for the user traffic of green since an epoch.
fn judge(gateways: &Gateways, app: &str, since: Revision) -> Traffic {
    let (limits, old) = (limits(), Some(Colour::Blue));
    gateways
        .held(&Asked { app, new: Colour::Green, old, first: since, since, limits: &limits, checks: &[] })
        .traffic
}

fn alive(reports: &[Report]) -> Gateways {
    Gateways::alive(reports, 10_500, 1_000)
}

#[test]
fn only_user_traffic_of_the_new_colour_since_the_switch_is_judged() {
    let reports = [report(
        "a",
        9,
        vec![
            series(Answerer::Green, Lane::Share, 5, 0, 900, 0),
            series(Answerer::Green, Lane::Matched, 8, 0, 900, 0),
            series(Answerer::Blue, Lane::Share, 8, 0, 900, 0),
            series(Answerer::Green, Lane::Share, 8, 100, 0, 0),
        ],
    )];
    assert_eq!(judge(&alive(&reports), "shop", 8), Traffic::Good);
    let since_older = judge(&alive(&reports), "shop", 5);
    assert!(matches!(since_older, Traffic::Bad { .. }), "{since_older:?}");
    assert!(matches!(judge(&alive(&reports), "other", 8), Traffic::Unknown { .. }));
}

#[test]
fn the_counts_of_gateways_add_and_those_of_the_dead_do_not() {
    let good = vec![series(Answerer::Green, Lane::Share, 8, 15, 0, 0)];
    let bad = vec![series(Answerer::Green, Lane::Share, 8, 15, 9, 0)];
    let mut dead = report("c", 9, vec![series(Answerer::Green, Lane::Share, 8, 0, 900, 0)]);
    dead.at_ms = 1_000;
    let reports = [report("a", 9, good), report("b", 9, bad), dead];
    let judged = judge(&alive(&reports), "shop", 8);
    let Traffic::Bad { evidence } = judged else { panic!("{judged:?}") };
    assert!(evidence[0].contains("9 of 39 requests"), "{evidence:?}");
}

#[test]
fn where_little_has_ended_it_is_told_how_much_has_not() {
    let reason = |open| {
        let reports = [report("a", 9, vec![series(Answerer::Green, Lane::Share, 8, 2, 0, open)])];
        match judge(&alive(&reports), "shop", 8) {
            Traffic::Unknown { reason } => reason,
            judged => panic!("{judged:?}"),
        }
    };
    assert!(!reason(0).contains("ended"), "{}", reason(0));
    assert!(reason(1).ends_with("; 1 more has not ended yet"), "{}", reason(1));
    assert!(reason(6).ends_with("; 6 more have not ended yet"), "{}", reason(6));
}

#[test]
fn who_waits_is_added_over_gateways_and_the_last_answer_of_any_ends_the_silence() {
    let with = |instance: &str, new: (u64, Option<u64>)| {
        let mut report = report(instance, 9, Vec::new());
        let mut detail = GatewayReport::deserialize(&report.detail).unwrap();
        let (requests, unanswered_ms) = new;
        let new = telemetry::report::Waits {
            requests,
            unanswered_ms,
            unended: 2 * requests,
            unended_ms: unanswered_ms.map(|ms| ms + 1),
        };
        let state = telemetry::report::GuardState::Armed;
        let (id, service) = ("g".to_owned(), "shop".to_owned());
        let waits = [Default::default(), new];
        let (evidence, failing_users, failing_by_check) = Default::default();
        detail.guards.push(telemetry::report::GuardReport {
            id,
            service,
            state,
            evidence,
            waits,
            failing_users,
            failing_by_check,
        });
        report.detail = serde_json::to_value(detail).unwrap();
        report
    };
    let waits = |reports: &[Report]| {
        let [old, new] = alive(reports).waits("g");
        assert_eq!(old, Default::default());
        let ended = (2 * new.requests, new.unanswered_ms.map(|ms| ms + 1));
        assert_eq!((new.unended, new.unended_ms), ended);
        (new.requests, new.unanswered_ms)
    };
    let silent = || with("a", (6, Some(25_000)));
    assert_eq!(waits(&[silent(), with("b", (0, None))]), (6, Some(25_000)), "nobody asked the other one");
    assert_eq!(waits(&[silent(), with("b", (1, Some(300)))]), (7, Some(300)));
}

#[test]
fn counters_that_cannot_be_read_are_never_good() {
    let fine = report("a", 9, vec![series(Answerer::Green, Lane::Share, 8, 100, 0, 0)]);
    let mut mute = report("b", 9, Vec::new());
    mute.detail = json!({"series": "none"});
    let gateways = alive(&[fine, mute]);
    assert!(matches!(judge(&gateways, "shop", 8), Traffic::Unknown { .. }));
    assert_eq!(gateways.open("shop", Colour::Green, 8), None);
    assert!(matches!(judge(&alive(&[]), "shop", 8), Traffic::Unknown { .. }));
}

#[test]
fn what_is_open_is_known_only_when_every_gateway_runs_the_change() {
    let open = |epoch| vec![series(Answerer::Blue, Lane::Share, epoch, 5, 0, 3)];
    let reports = [report("a", 9, open(4)), report("b", 8, open(7))];
    assert_eq!(alive(&reports).open("shop", Colour::Blue, 9), None);
    assert_eq!(alive(&reports).open("shop", Colour::Blue, 8), Some(6), "over all epochs");
    assert_eq!(alive(&reports).open("shop", Colour::Green, 8), Some(0));
}

#[test]
fn every_gateway_that_lives_is_asked_what_it_has_copied_and_one_that_has_ended_only_for_its_last_word() {
    let with = |instance: &str, shadows: &[&str], ended: bool| {
        let mut report = report(instance, 9, Vec::new());
        let mut detail = GatewayReport::deserialize(&report.detail).unwrap();
        let one = |id: &&str| ShadowReport { id: (*id).to_owned(), compared: 7, ..ShadowReport::default() };
        (detail.shadows, detail.ended) = (shadows.iter().map(one).collect(), ended);
        report.detail = serde_json::to_value(detail).unwrap();
        report
    };
    let reports = [
        with("a", &["s-1", "s-2"], false),
        with("b", &["s-1"], false),
        with("c", &["s-2"], true),
        with("d", &[], true),
    ];
    let seen = alive(&reports).shadows("s-2");
    let seen: Vec<_> =
        seen.iter().map(|one| (one.gateway.as_str(), one.report.as_ref().map(|it| it.compared))).collect();
    assert_eq!(seen, [("a", Some(7)), ("b", None), ("c", Some(7))]);
}

#[test]
fn a_listener_on_every_address_is_reached_on_the_loopback() {
    let reports = [report("a", 1, Vec::new())];
    assert_eq!(alive(&reports).listener(), Some("127.0.0.1:9080".parse().unwrap()));
}

#[test]
fn an_account_adds_up_by_epoch_answerer_and_lane() {
    let reports = [
        report(
            "a",
            9,
            vec![
                series(Answerer::Green, Lane::Share, 8, 5, 1, 0),
                series(Answerer::Blue, Lane::Share, 3, 9, 0, 0),
            ],
        ),
        report("b", 9, vec![series(Answerer::Green, Lane::Share, 8, 5, 0, 2)]),
    ];
    let account = alive(&reports).account("shop", Some(8), 77);
    assert_eq!((account.gateways.len(), account.rows.len(), account.at_ms), (2, 1, 77));
    assert_eq!((account.rows[0].counts.received, account.rows[0].counts.failed()), (13, 1));
    assert!(alive(&reports).account("shop", None, 77).rows.is_empty(), "nothing was changed yet");
}

#[test]
fn what_a_gateway_that_ended_had_counted_is_there_once_before_and_after_it_is_inherited() {
    let counted = |requests| vec![series(Answerer::Green, Lane::Share, 8, requests, 0, 0)];
    let with = |instance: &str, requests, change: fn(&mut GatewayReport)| {
        let mut report = report(instance, 9, counted(requests));
        let mut detail = GatewayReport::deserialize(&report.detail).unwrap();
        change(&mut detail);
        report.detail = serde_json::to_value(detail).unwrap();
        report
    };
    let ended = || with("old", 3, |detail| detail.ended = true);
    let before = [with("new", 10, |_| {}), ended()];
    let heir = || with("new", 13, |detail| detail.inherited = vec!["old".to_owned()]);
    for reports in [&before[..], &[heir(), ended()], &[heir()]] {
        let gateways = alive(reports);
        assert_eq!(gateways.instances(), ["new", "old"], "neither has gone");
        assert_eq!(gateways.of_colour("shop", Colour::Green, 0, None).received, 13);
        assert_eq!(spread(&gateways, 9), Spread::Yes);
    }
    let behind = spread(&alive(&before), 10);
    assert!(
        matches!(&behind, Spread::No { detail } if detail == "new runs revision 9, not 10"),
        "one that has ended runs nothing any more: {behind:?}"
    );
}

/// What a gateway says of a hold: so many waits, each so long.
fn held_by(instance: &str, waits_us: &[u64], change: impl FnOnce(&mut HoldReport)) -> Report {
    let mut hold = HoldReport { id: "shop-2#7".to_owned(), over: true, ..HoldReport::default() };
    waits_us.iter().for_each(|us| hold.waits.record(*us));
    hold.waited = waits_us.len() as u64;
    hold.longest_us = waits_us.iter().copied().max().unwrap_or(0);
    change(&mut hold);
    let detail = GatewayReport { holds: vec![hold], ..GatewayReport::default() };
    Report { detail: serde_json::to_value(detail).unwrap(), ..report(instance, 9, Vec::new()) }
}

#[test]
fn no_share_of_the_waits_is_longer_than_the_longest() {
    let waits = [889_000, 889_500, 890_000];
    let reports = [held_by("a", &waits, |_| {}), held_by("b", &[20_000], |_| {})];
    let hold = alive(&reports).finished_hold("shop-2#7").expect("it is over");
    assert_eq!((hold.waited, hold.longest_ms, hold.p99_ms), (4, 890.0, Some(890.0)));
    assert_eq!((hold.in_time, hold.end()), (true, HoldEnd::Moved));
}

#[test]
fn a_hold_says_which_gateways_ended_it_and_that_one_was_started_meanwhile_is_no_fault_of_the_old_version() {
    let lapsed = |hold: &mut HoldReport| hold.lapsed = true;
    let stood = |hold: &mut HoldReport| (hold.lapsed, hold.stood_before) = (true, true);
    let holds = [held_by("a", &[5], lapsed), held_by("b", &[], stood)];
    let ended = |reports: &[Report]| {
        let gateways = alive(reports);
        let HoldState::Over { why, interrupted } = gateways.hold("shop-2#7", 9, Answerer::Blue) else {
            panic!("it is over")
        };
        (gateways.finished_hold("shop-2#7").expect("it is over").end(), interrupted, why)
    };
    assert_eq!(ended(&holds[..1]), (HoldEnd::Budget, false, "a did not hold any longer".to_owned()));
    let why = "gateway b was started meanwhile and does not hold".to_owned();
    assert_eq!(ended(&holds), (HoldEnd::Gateway, true, why));
}

#[test]
fn a_hold_is_accounted_for_when_nobody_waits_or_its_gateway_has_ended() {
    let waits = |over: bool, waiting: u64, ended: bool| {
        let mut report = held_by("a", &[5], |hold| (hold.over, hold.waiting) = (over, waiting));
        report.detail["ended"] = json!(ended);
        alive(&[report]).finished_hold("shop-2#7").is_some()
    };
    assert!(!waits(false, 1, false) && !waits(true, 1, false) && waits(true, 0, false));
    assert!(waits(false, 1, true), "what it said last is all that will ever be known");
}
