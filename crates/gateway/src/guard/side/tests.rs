use super::*;
use model::record::{Answerer, Ending, Lane};
use proptest::prelude::*;
use std::cell::RefCell;
use telemetry::cell::{Ended, Turn};
use telemetry::found::{Found, Outcome};
use telemetry::series::{Registry, SeriesKey};

const SERIES: usize = 3;
const THREADS: usize = 2;

fn all() -> Vec<Arc<Series>> {
    let registry = Registry::new(THREADS);
    let of = |number: usize| SeriesKey {
        route: number.to_string(),
        service: "shop".to_owned(),
        app: "shop".to_owned(),
        answerer: Answerer::Green,
        lane: Lane::Share,
        epoch: 1,
    };
    (0..SERIES).map(|number| registry.series(&of(number))).collect()
}

fn ended(ending: Ending, status: u16) -> Ended {
    Ended {
        ending,
        status,
        gate_error: false,
        retried: false,
        request_bytes: 1,
        response_bytes: 1,
        latency_us: 500,
        upgrade: false,
        found: Found::default().checked(1, Outcome::Failed),
    }
}

/// What happens to a request, or that somebody looks.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Begins,
    Asked,
    Head,
    Unheard,
    Says,
    Ends(Ending, u16),
    Looks,
}

fn happens() -> impl Strategy<Value = (usize, usize, Happens)> {
    let what = prop_oneof![
        3 => Just(Happens::Begins),
        1 => Just(Happens::Asked),
        1 => Just(Happens::Head),
        1 => Just(Happens::Unheard),
        1 => Just(Happens::Says),
        1 => Just(Happens::Ends(Ending::Whole, 200)),
        1 => Just(Happens::Ends(Ending::Whole, 500)),
        1 => Just(Happens::Ends(Ending::CutShort, 200)),
        1 => Just(Happens::Ends(Ending::ClientLeft, 0)),
        1 => Just(Happens::Ends(Ending::Drained, 101)),
        3 => Just(Happens::Looks),
    ];
    (0..SERIES, 0..THREADS, what)
}

/// The requests that are open on each cell, and which were sent.
type OpenRequests = [[Vec<Option<Turn>>; THREADS]; SERIES];

fn happen(series: &[Arc<Series>], open: &mut OpenRequests, (number, thread, what): (usize, usize, Happens)) {
    let (cell, open) = (series[number].cell(thread), &mut open[number][thread]);
    match what {
        Happens::Begins => {
            cell.begin();
            open.push(None);
        }
        Happens::Asked => {
            if let Some(sent) = open.iter_mut().find(|sent| sent.is_none()) {
                *sent = Some(cell.asked());
            }
        }
        Happens::Head => open.iter_mut().find_map(Option::take).into_iter().for_each(|turn| cell.head(turn)),
        Happens::Unheard => {
            open.iter_mut().find_map(Option::take).into_iter().for_each(|turn| cell.unheard(turn, true));
        }
        Happens::Says if !open.is_empty() => cell.says(Found::default().checked(0, Outcome::Passed)),
        Happens::Ends(ending, status) => {
            if let Some(sent) = open.pop() {
                sent.into_iter().for_each(|turn| cell.unheard(turn, false));
                cell.end(&ended(ending, status));
            }
        }
        Happens::Says | Happens::Looks => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn at_every_look_the_sum_is_that_of_all_series(course in prop::collection::vec(happens(), 0..200)) {
        let series = all();
        let (mut side, mut open) = (Side::of(series.iter()), OpenRequests::default());
        for one in course {
            happen(&series, &mut open, one);
            if matches!(one.2, Happens::Looks) {
                let fresh = series.iter().map(|series| Tallied::of(series));
                let fresh = fresh.fold(Tallied::default(), |sum, one| sum.plus(&one));
                prop_assert_eq!(side.look(|_| {}), fresh);
            }
        }
    }
}

#[test]
fn only_those_are_counted_that_were_asked_since_or_have_a_request_under_way() {
    let series = all();
    let mut side = Side::of(series.iter());
    let mut looked_into = || {
        let routes = RefCell::new(Vec::new());
        side.look(|series| routes.borrow_mut().push(series.key().route.clone()));
        routes.into_inner()
    };
    assert_eq!(looked_into(), ["0", "1", "2"], "what there was before");
    assert_eq!(looked_into(), [""; 0]);
    series[1].cell(1).begin();
    assert_eq!((looked_into(), looked_into()), (vec!["1".to_owned()], vec!["1".to_owned()]));
    series[1].cell(1).end(&ended(Ending::ClientLeft, 0));
    assert_eq!(looked_into(), ["1"], "it has ended since");
    assert_eq!(looked_into(), [""; 0]);
    series[2].cell(0).begin();
    series[2].cell(0).end(&ended(Ending::Whole, 200));
    assert_eq!(looked_into(), ["2"], "it came and went");
    assert_eq!(looked_into(), [""; 0]);
}
