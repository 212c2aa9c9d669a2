use super::*;
use model::record::{Answerer, Ending, Lane};
use telemetry::cell::Ended;
use telemetry::ends::Over;
use telemetry::found::Found;
use telemetry::series::{Registry, SeriesKey};

fn pair(registry: &Registry, route: &str, epoch: Revision) -> Pair {
    let of = |answerer| {
        let (service, app) = ("shop".to_owned(), "shop".to_owned());
        vec![registry.series(&SeriesKey {
            route: route.to_owned(),
            service,
            app,
            answerer,
            lane: Lane::Share,
            epoch,
        })]
    };
    Pair { old: of(Answerer::Blue), new: of(Answerer::Green) }
}

fn fails(series: &Series) {
    series.cell(0).end(&Ended {
        ending: Ending::Whole,
        status: 500,
        gate_error: false,
        retried: false,
        request_bytes: 0,
        response_bytes: 0,
        latency_us: 500,
        upgrade: false,
        found: Found::default(),
    });
}

#[test]
fn all_routes_are_added_up_and_what_began_under_other_shares_is_late() {
    let (registry, mut sums) = (Registry::new(1), Sums::default());
    let [one, other, next] =
        [("a", 1), ("b", 1), ("a", 2)].map(|(route, epoch)| pair(&registry, route, epoch));
    sums.add(&[10, 90], ("a", 1), one.clone(), Pair::default());
    sums.add(&[10, 90], ("b", 1), other.clone(), Pair::default());
    for pair in [&one, &other] {
        pair.new[0].cell(0).begin();
        fails(&pair.new[0]);
    }
    one.new[0].cell(0).begin();
    let counted = sums.now(true, 5);
    assert_eq!((counted.new.requests, counted.new.failed, counted.stratum), (2, 2, 1));
    assert_eq!((counted.old, counted.late), (Tallied::default(), [Tallied::default(); 2]));

    sums.add(&[50, 50], ("a", 2), next.clone(), Pair::default());
    let counted = sums.now(true, 6);
    assert_eq!((counted.new, counted.stratum), (Tallied::default(), 2), "every counter begins at 0");
    assert_eq!(counted.late[1].failed, 2);
    fails(&one.new[0]);
    next.new[0].cell(0).begin();
    fails(&next.new[0]);
    let counted = sums.now(true, 7);
    assert_eq!((counted.late[1].failed, counted.new.failed), (3, 1));
}

/// One more request waits on a route, and the guard looks.
fn ask_and_look<'a>(sums: &'a mut Sums, pair: &Pair) -> &'a mut Sums {
    let cell = pair.new[0].cell(0);
    cell.begin();
    let _turn = cell.asked();
    sums.now(true, 0);
    sums
}

#[test]
fn requests_are_sent_in_the_turn_that_was_said_whichever_route_they_are_for() {
    let (registry, mut sums) = (Registry::new(1), Sums::default());
    let [one, later] = ["a", "b"].map(|route| pair(&registry, route, 1));
    sums.add(&[10, 90], ("a", 1), one.clone(), Pair::default());
    // Nobody was asked before, so that there is nobody to tell: as good as the turn before.
    ask_and_look(&mut sums, &one).turn(1);
    ask_and_look(&mut sums, &one).turn(2);
    ask_and_look(&mut sums, &one).add(&[10, 90], ("b", 1), later.clone(), Pair::default());
    ask_and_look(&mut sums, &later);
    let counted = ask_and_look(&mut sums, &later).now(true, 0);
    assert_eq!(one.new[0].heard().waiting, [1, 1, 1, 0]);
    assert_eq!(later.new[0].heard().waiting, [1, 0, 1, 0], "told as soon as it had been asked");
    assert_eq!((counted.new.waiting, counted.new.heard.asked), ([2, 1, 2, 0], 5));
}

#[test]
fn of_ends_it_is_known_what_has_begun_and_not_ended_and_not_what_waits_for_its_head() {
    let (registry, mut sums) = (Registry::new(1), Sums::default());
    let one = pair(&registry, "a", 1);
    sums.add(&[10, 90], ("a", 1), one.clone(), Pair::default());
    let cell = one.old[0].cell(0);
    for _ in 0..3 {
        cell.begin();
        let _waits = cell.asked();
    }
    let begun = || {
        cell.begin();
        cell.head(cell.asked());
        cell.begun()
    };
    let _open = [begun(), begun()];
    cell.over(begun(), Over::Left);
    let [of_heads, of_ends] = sums.usual(0, 2_000);
    assert_eq!(of_heads, Usual { answers: 3, slow: 3, long: 0 });
    assert_eq!(of_ends, Usual { answers: 3, slow: 3, long: 3 }, "two are open, and one was given up");
}
