use super::*;
use proptest::prelude::*;

const PATIENCE: Patience = Patience { requests: 8, after_ms: 2_000 };
const LOOK_MS: u64 = 20;

/// Looks every 20 ms.
struct Run {
    listener: Listener,
    moment: Moment,
    usual: Usual,
}

impl Run {
    /// Both have a share, or the new version has all.
    fn new(concurrent: bool) -> Run {
        let moment = Moment { stratum: 1, concurrent, ..Moment::default() };
        Run { listener: Listener::new(PATIENCE), moment, usual: Usual::default() }
    }

    /// So many answers are known, of which so many were slow.
    fn after(mut self, answers: u64, slow: u64) -> Run {
        self.usual = Usual { answers, slow, long: slow };
        self
    }

    /// Hears few, too.
    fn and_few(mut self) -> Run {
        self.listener = self.listener.and_few();
        self
    }

    /// One look after so many more requests and heads.
    fn look(&mut self, old: [u64; 2], new: [u64; 2]) -> Option<Silence> {
        for (heard, [asked, heads]) in [(&mut self.moment.old, old), (&mut self.moment.new, new)] {
            heard.asked += asked;
            heard.heads += heads;
        }
        // Those who have waited longest are answered first.
        let turn = self.listener.turn();
        self.moment.waiting[turn % TURNS] += new[0];
        let mut heads = new[1];
        for place in (1..=TURNS).map(|back| (turn + back) % TURNS) {
            let answered = heads.min(self.moment.waiting[place]);
            self.moment.waiting[place] -= answered;
            heads -= answered;
        }
        self.moment.at_ms += LOOK_MS;
        self.listener.look(&self.moment, || self.usual)
    }

    /// Looks for so long, each time with the same; after how much time it was found.
    fn during(&mut self, ms: u64, old: [u64; 2], new: [u64; 2]) -> Option<(u64, Silence)> {
        (1..=ms / LOOK_MS).find_map(|look| Some((look * LOOK_MS, self.look(old, new)?)))
    }
}

#[test]
fn a_version_that_answers_nothing_is_found_when_enough_requests_have_waited_long_enough() {
    let mut run = Run::new(true);
    let (ms, found) = run.during(60_000, [9, 9], [1, 0]).unwrap();
    assert_eq!(ms, 8 * LOOK_MS + 2_000, "the eighth request and two seconds");
    assert_eq!((found.requests, found.for_ms), (8, ms - LOOK_MS));
    assert_eq!(
        found.words(),
        "8 requests that were sent 2000 ms ago or earlier have no answer, and none has begun for 2140 ms; the old version has \
         answered at least 972 of 972 meanwhile"
    );
}

#[test]
fn seven_requests_are_not_enough_however_long_they_wait() {
    let mut run = Run::new(true);
    assert_eq!(run.look([9, 9], [7, 0]), None);
    assert_eq!(run.during(60_000, [9, 9], [0, 0]), None);
    assert_eq!(run.look([9, 9], [1, 0]), None, "the eighth");
    assert!(run.during(2_200, [9, 9], [0, 0]).is_some());
}

#[test]
fn two_requests_that_wait_longer_than_anybody_ever_did_are_a_hang() {
    for old in [[9, 9], [0, 0]] {
        let mut run = Run::new(old[0] > 0).after(20_000, 2).and_few();
        assert_eq!(run.look(old, [2, 0]), None);
        let (ms, found) = run.during(60_000, old, [0, 0]).unwrap();
        assert_eq!((ms, found.requests, found.after_ms), (20_000, 2, 20_000));
        let words = found.words();
        assert!(
            words.starts_with("2 requests that were sent 20000 ms ago or earlier have no answer"),
            "{words}"
        );
        let of_ends = found.words_of_ends();
        assert!(
            of_ends.starts_with("2 answers that began 20000 ms ago or earlier have not ended"),
            "{of_ends}"
        );
        for words in [words, of_ends] {
            assert!(words.ends_with("; of 20000 answers that are known 2 took so long"), "{words}");
        }
    }
    // Six clients, of whom each waits for its answer: when all of them are on the new version, nobody asks any more.
    let mut run = Run::new(true).after(1_000, 0).and_few();
    assert_eq!(run.during(400, [1, 1], [0, 0]), None);
    assert_eq!(run.look([0, 0], [6, 0]), None);
    let (ms, found) = run.during(60_000, [0, 0], [0, 0]).unwrap();
    assert!((20_000..20_200).contains(&ms), "{ms}");
    assert_eq!((found.requests, found.old), (6, Some((20, 20))));
}

#[test]
fn few_requests_are_no_hang_where_one_waits_alone_or_long_waits_are_known_or_the_old_version_waits_too() {
    let found = |run: Run, old, few| {
        let mut run = run.and_few();
        assert_eq!(run.look(old, [few, 0]), None);
        run.during(120_000, old, [0, 0]).is_some()
    };
    let run = |answers, slow| Run::new(true).after(answers, slow);
    assert!(found(run(20_000, 2), [9, 9], 2), "as it should be found");
    assert!(!found(run(20_000, 2), [9, 9], 1), "one alone");
    assert!(!found(run(20_000, 3), [9, 9], 2), "some take so long");
    assert!(!found(run(199, 0), [9, 9], 2), "too little is known");
    assert!(!found(run(20_000, 0), [9, 0], 2), "the old version answers nothing");
    // The old version has answered much, and now waits as well.
    let mut run = run(20_000, 0).and_few();
    assert_eq!(run.during(10_000, [9, 9], [0, 0]), None);
    assert_eq!(run.look([4, 0], [2, 0]), None);
    assert_eq!(run.during(120_000, [0, 0], [0, 0]), None);
    // Another one is answered: those who wait are long polls.
    assert_eq!(run.look([0, 4], [1, 1]), None);
    assert_eq!(run.during(120_000, [9, 9], [0, 0]), None);
}

#[test]
fn who_waits_is_counted_from_the_last_answer_or_from_the_first_that_waits() {
    let mut quiet = Quiet::default();
    let mut look = |at_ms, asked, heads| {
        let heard = Heard { asked, heads, ..Heard::default() };
        let Waits { requests, unanswered_ms } = quiet.look(at_ms, heard);
        (requests, unanswered_ms)
    };
    assert_eq!(look(10, 0, 0), (0, None));
    assert_eq!(look(20, 1, 0), (1, Some(0)));
    assert_eq!(look(50, 3, 0), (3, Some(30)));
    assert_eq!(look(60, 3, 1), (2, Some(0)));
    assert_eq!(look(90, 3, 3), (0, Some(0)));
    assert_eq!(look(190, 3, 3), (0, Some(100)), "the last answer");
    assert_eq!(look(200, 2, 1), (1, Some(0)), "counters that began anew, and one who begins to wait");
    assert_eq!(look(250, 9, 1), (8, Some(50)));
}

#[test]
fn a_version_that_falls_silent_in_the_middle_is_found_as_well() {
    for concurrent in [true, false] {
        let old = if concurrent { [9, 9] } else { [0, 0] };
        let mut run = Run::new(concurrent).after(1_000, 10);
        assert_eq!(run.during(60_000, old, [2, 2]), None);
        let (ms, _) = run.during(60_000, old, [2, 0]).unwrap();
        assert!((2_000..2_300).contains(&ms), "{concurrent}: {ms}");
    }
}

#[test]
fn clients_that_ask_one_after_the_other_are_heard_although_none_of_them_asks_again() {
    let mut run = Run::new(false).after(1_000, 0);
    assert_eq!(run.look([0, 0], [40, 0]), None);
    assert_eq!(run.during(60_000, [0, 0], [30, 30]), None);
    let (ms, found) = run.during(60_000, [0, 0], [0, 0]).unwrap();
    assert_eq!((ms, found.requests), (2_000, 40));
    // Ten long polls, beside them one after the other who is answered at once, and then stays away.
    let mut run = Run::new(true);
    assert_eq!(run.look([0, 0], [10, 0]), None);
    for _ in 0..3_000 {
        run.moment.new.asked += 1;
        run.moment.new.heads += 1;
        assert_eq!(run.look([9, 9], [0, 0]), None);
    }
    assert_eq!(run.during(60_000, [9, 9], [0, 0]), None, "polls");
}

#[test]
fn one_head_now_and_then_is_no_silence_whatever_else_waits() {
    let mut run = Run::new(true);
    for _ in 0..100 {
        assert_eq!(run.during(1_900, [9, 9], [5, 0]), None);
        assert_eq!(run.look([9, 9], [5, 1]), None, "long polls, and one who is answered");
    }
}

#[test]
fn nothing_is_said_while_the_old_version_is_as_silent() {
    let mut run = Run::new(true);
    assert_eq!(run.during(10_000, [9, 0], [1, 0]), None);
    assert_eq!(run.during(5_000, [9, 4], [1, 0]), None, "a few are not enough");
    let mut run = Run::new(true);
    for _ in 0..500 {
        run.moment.old_failed += 9;
        assert_eq!(run.look([9, 9], [1, 0]), None, "it fails instead");
    }
}

#[test]
fn where_both_were_silent_and_the_old_one_speaks_first_the_new_one_has_as_long_to_do_so() {
    let recovering = || {
        let mut run = Run::new(true);
        assert_eq!(run.during(10_000, [9, 0], [1, 0]), None);
        let waiting = run.moment.old.waiting();
        assert_eq!(run.look([0, waiting], [0, 0]), None, "a database is there again");
        run
    };
    let mut run = recovering();
    assert_eq!(run.during(900, [9, 9], [1, 0]), None);
    let waiting = run.moment.new.waiting();
    assert_eq!(run.look([9, 9], [1, waiting]), None);
    assert_eq!(run.during(60_000, [9, 9], [1, 1]), None);
    let (ms, _) = recovering().during(60_000, [9, 9], [1, 0]).unwrap();
    assert_eq!(ms, 1_000, "it stays silent");
    let mut run = recovering();
    assert_eq!(run.during(900, [9, 9], [1, 0]), None);
    assert_eq!(run.look([20_000, 0], [1, 0]), None);
    assert_eq!(run.look([0, 20_000], [1, 0]), None);
    assert_eq!(run.during(900, [9, 9], [1, 0]), None, "the old one was silent again");
}

#[test]
fn answers_to_what_waited_before_are_no_answers_to_what_was_asked_since() {
    // Every one of 1,000 clients waits for half a minute, and then asks anew.
    let mut run = Run::new(true);
    assert_eq!(run.look([900, 0], [100, 0]), None);
    assert_eq!(run.during(29_000, [0, 0], [0, 0]), None);
    for _ in 0..5 {
        // Those of the new version first: what is asked then waits while the others are answered.
        run.look([0, 0], [0, 90]);
        run.look([0, 0], [100, 10]);
        assert_eq!(run.during(500, [36, 36], [1, 0]), None);
        assert_eq!(run.during(29_000, [0, 0], [0, 0]), None);
    }
}

#[test]
fn where_the_old_version_has_no_share_the_time_before_says_what_is_usual() {
    let found = |answers, slow| Run::new(false).after(answers, slow).during(60_000, [0, 0], [1, 0]);
    assert_eq!(found(500, 5).unwrap().0, 8 * LOOK_MS + 2_000, "most answers came at once");
    assert_eq!(found(500, 6), None, "long polls");
    assert_eq!(found(0, 0), None, "nobody was ever answered: nothing is known");
    assert_eq!(found(79, 0), None, "eight slow ones more would be a tenth");
    assert!(found(80, 0).is_some());
    // The same where it has a share and was not asked.
    let mut run = Run::new(true).after(500, 51);
    assert_eq!(run.during(60_000, [0, 0], [1, 0]), None);
    run.usual.slow = 0;
    assert_eq!(run.look([0, 0], [1, 0]).unwrap().old, None);
}

#[test]
fn a_few_requests_of_the_old_version_do_not_say_more_than_all_that_is_known() {
    let found = |slow| {
        let mut run = Run::new(true).after(500, slow);
        run.look([1, 1], [0, 0]);
        run.during(60_000, [0, 0], [1, 0])
    };
    assert!(found(0).is_some());
    assert_eq!(found(250), None, "half of all answers are slow");
}

#[test]
fn requests_that_were_given_up_at_once_say_nothing_and_those_that_waited_do() {
    let mut run = Run::new(false).after(500, 2);
    for _ in 0..500 {
        run.moment.new.unheard += 1;
        run.moment.new.withdrawn += 1;
        assert_eq!(run.look([0, 0], [1, 0]), None);
    }
    let mut run = Run::new(false).after(500, 2);
    let found = (0..200).find(|_| {
        run.moment.new.unheard += 1;
        run.look([0, 0], [1, 0]).is_some()
    });
    assert!(found.is_some(), "clients that leave after a second");
}

#[test]
fn a_machine_that_was_stopped_has_heard_nothing() {
    let mut run = Run::new(true);
    assert_eq!(run.during(100, [9, 9], [10, 10]), None);
    assert_eq!(run.look([9, 9], [20, 0]), None);
    run.moment.at_ms += 3_600_000;
    assert_eq!(run.look([9, 9], [0, 0]), None, "an hour in which nobody listened");
    assert_eq!(run.look([0, 0], [0, 20]), None);
}

#[test]
fn a_change_of_the_shares_begins_anew() {
    let mut run = Run::new(true);
    assert_eq!(run.during(2_000, [9, 9], [1, 0]), None);
    run.moment = Moment { stratum: 2, old: Heard::default(), new: Heard::default(), ..run.moment };
    assert_eq!(run.during(2_000, [9, 9], [1, 0]), None);
    assert!(run.during(300, [9, 9], [1, 0]).is_some());
    // A head of a request from before is one, too.
    let mut run = Run::new(true);
    for _ in 0..20 {
        assert_eq!(run.during(1_900, [9, 9], [1, 0]), None);
        run.moment.late_heads += 1;
    }
}

proptest! {
    #[test]
    fn who_answers_within_the_patience_is_never_blamed(
        steps in prop::collection::vec((0u64..5, 0u64..20, 0u64..20, any::<bool>()), 1..400),
        slow in 0u64..10,
        concurrent in any::<bool>(),
    ) {
        let mut run = Run::new(concurrent).after(10, slow);
        let mut since_head_ms = 0;
        for (looks, old, new, old_is_silent) in steps {
            for _ in 0..looks {
                since_head_ms += LOOK_MS;
                let head = u64::from(since_head_ms >= PATIENCE.after_ms);
                if head > 0 { since_head_ms = 0; }
                let found = run.look([old, if old_is_silent { 0 } else { old }], [new + head, head]);
                prop_assert_eq!(found, None);
            }
        }
    }

    #[test]
    fn what_is_blamed_was_asked_often_enough_and_long_enough_ago(
        steps in prop::collection::vec((1u64..30, 0u64..3, 0u64..3, any::<bool>(), any::<bool>()), 1..200),
        requests in 0u64..20,
        after_ms in 0u64..5_000,
        few in any::<bool>(),
    ) {
        let mut run = Run::new(true);
        run.listener = Listener::new(Patience { requests, after_ms });
        if few {
            run = run.after(1_000_000, 0).and_few();
        }
        let (mut asked_at, mut last_head_ms): (Vec<u64>, u64) = (Vec::new(), 0);
        for (looks, old, new, answers, old_answers) in steps {
            for _ in 0..looks {
                let heads = if answers { run.moment.new.waiting() + new } else { 0 };
                let found = run.look([old, if old_answers { old } else { 0 }], [new, heads]);
                let now = run.moment.at_ms;
                if heads > 0 {
                    last_head_ms = now;
                    asked_at.clear();
                    prop_assert_eq!(run.moment.waiting, [0; TURNS]);
                } else {
                    asked_at.extend((0..new).map(|_| now));
                }
                if let Some(found) = found {
                    let is_long = found.after_ms > after_ms.max(1);
                    prop_assert_eq!(found.after_ms, after_ms.max(1) * if is_long { LONG } else { 1 });
                    let long_ago = asked_at.iter().filter(|at| now - **at >= found.after_ms).count() as u64;
                    let enough = if is_long { FEW.min(requests.max(1)) } else { requests.max(1) };
                    prop_assert!(found.requests >= enough && found.requests <= long_ago, "{:?}", found);
                    prop_assert!(now - last_head_ms >= found.after_ms && (few || !is_long));
                }
            }
        }
    }
}

#[test]
fn where_silence_must_be_unusual_an_old_version_that_answers_is_not_enough() {
    for (known, slow, is_found) in [(1_000, 10, true), (1_000, 11, false), (40, 0, false)] {
        let mut run = Run::new(true).after(known, slow);
        run.listener = run.listener.blaming(Blame::Unusual);
        let found = run.during(10_000, [9, 9], [1, 0]);
        assert_eq!(found.is_some(), is_found, "{slow} of {known}");
        let Some((_, found)) = found else { continue };
        assert_eq!(
            found.words_of_ends(),
            "8 answers that began 2000 ms ago or earlier have not ended, and none has ended for 2140 ms; the old version has \
             ended at least 972 of 972 meanwhile"
        );
    }
}

#[test]
fn the_more_of_the_old_version_are_streams_the_more_of_the_new_one_must_not_end() {
    // Of ten of the old version so many end.
    for (ends, needed) in [(10, 8), (9, 10), (7, 18), (5, 30)] {
        let mut run = Run::new(true);
        run.listener = run.listener.blaming(Blame::Improbable);
        // One each second, so that all that is needed is counted.
        let found = (0..60 * 50).find_map(|look| run.look([10, ends], [u64::from(look % 50 == 0), 0]));
        let found = found.unwrap();
        assert!((needed..needed + 2).contains(&found.requests), "{ends}: {found:?}");
    }
    let mut run = Run::new(true);
    run.listener = run.listener.blaming(Blame::Improbable);
    assert_eq!(run.during(60_000, [10, 4], [1, 0]), None, "less than half");
}
