//! Who waits on a thread, in the order of arrival.

use super::Hold;
use crate::client::{Client, Departure};
use crate::clock;
use crate::record::{Facts, micros};
use crate::request::Request;
use crate::table::{Route, Table};
use crate::vars::RequestVariables;
use crate::worker::Worker;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use telemetry::series::Series;

/// What became of a request that was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It goes on, by the table that holds now.
    On,
    /// Its client went away.
    ClientLeft,
    /// Its whole time is over: it goes nowhere.
    TimedOut,
}

/// The requests of a thread that wait, and the holds that are in force there.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    in_force: RefCell<Vec<Arc<Hold>>>,
    /// By number of arrival.
    places: RefCell<BTreeMap<u64, Rc<Place>>>,
    arrivals: Cell<u64>,
}

/// One request that waits.
#[derive(Debug)]
struct Place {
    hold: Arc<Hold>,
    began: Instant,
    bytes: u64,
    released: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Waiting {
    /// The thread goes over to a table: its holds begin, those that it has no more end.
    pub(crate) fn follow(worker: &Rc<Worker>, table: &Table) {
        let waiting = &worker.waiting;
        let is_there = |hold: &Arc<Hold>| table.holds().iter().any(|other| Arc::ptr_eq(hold, other));
        let over: Vec<_> = waiting.in_force.borrow_mut().extract_if(.., |hold| !is_there(hold)).collect();
        for hold in over {
            waiting.release(worker.thread, &hold);
            hold.end(worker.thread, false);
        }
        for hold in table.holds().iter().filter(|hold| hold.begin(worker.thread)) {
            waiting.in_force.borrow_mut().push(Arc::clone(hold));
            let (worker, hold) = (Rc::clone(worker), Arc::clone(hold));
            tokio::task::spawn_local(async move {
                clock::pause(Duration::from_millis(hold.rule.budget_ms)).await;
                worker.waiting.in_force.borrow_mut().retain(|other| !Arc::ptr_eq(&hold, other));
                worker.waiting.release(worker.thread, &hold);
                hold.end(worker.thread, true);
            });
        }
    }

    /// Lets those who wait for a hold go on, first come, first served, before it ends here: they are accounted for in the
    /// same breath, so that whoever is told that it is over finds its account whole.
    fn release(&self, thread: usize, hold: &Arc<Hold>) {
        let now = clock::now();
        let is_held = |place: &&Rc<Place>| Arc::ptr_eq(&place.hold, hold) && !place.released.get();
        for place in self.places.borrow().values().filter(is_held) {
            place.released.set(true);
            hold.waited(thread, Some(micros(now - place.began)));
            hold.leave(place.bytes);
            if let Some(waker) = place.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}

/// The hold that a request of a route is subject to, and the counters of those that get no colour after it.
pub(crate) fn asked<'t>(route: &'t Route, request: &Request<'_>) -> Option<(&'t Arc<Hold>, &'t Series)> {
    let split = route.split.as_ref()?;
    let held = split.held.as_deref()?;
    let hold = split.hold(&RequestVariables { request, route: Some(route) })?;
    hold.tallies.include(request.head).then_some((hold, held))
}

/// Lets a request wait while a hold is in force on its thread, if there is room for it, and at most up to the limit of
/// the client's timer. What it has waited is the gate's time, and none of the version that it goes to.
pub(crate) async fn wait(
    worker: &Worker,
    client: &mut Client,
    hold: &Arc<Hold>,
    facts: &mut Facts,
) -> Passed {
    // Whose body is still to come takes a whole buffer while it waits.
    let bytes = facts.head_bytes + if facts.body_read { 0 } else { client.input.size() as u64 };
    if !hold.is_holding(worker.thread) || !hold.admit(worker.thread, bytes) {
        return Passed::On;
    }
    client.timer.disarm();
    let began = clock::now();
    let waiting = &worker.waiting;
    let number = waiting.arrivals.replace(waiting.arrivals.get() + 1);
    let (released, waker) = (Cell::default(), RefCell::default());
    let place = Rc::new(Place { hold: Arc::clone(hold), began, bytes, released, waker });
    waiting.places.borrow_mut().insert(number, Rc::clone(&place));
    let _seat = Seat { worker, number, place: &place };
    let mut departure = Departure::default();
    let passed = poll_fn(|cx| {
        if place.released.get() {
            return Poll::Ready(Passed::On);
        }
        // What it sends meanwhile is kept, as far as there is room: the memory was counted.
        if client.poll_left(cx, &mut departure) {
            return Poll::Ready(Passed::ClientLeft);
        }
        *place.waker.borrow_mut() = Some(cx.waker().clone());
        // Its whole time may be shorter than the hold's.
        client.timer.poll_elapsed(cx).map(|_| Passed::TimedOut)
    })
    .await;
    if passed != Passed::On {
        hold.waited(worker.thread, None);
    }
    // Later than it was released, where others went on before it on this thread.
    facts.claimed = facts.began + (clock::now() - began);
    passed
}

/// Gives the place back, however the waiting ends.
struct Seat<'a> {
    worker: &'a Worker,
    number: u64,
    place: &'a Place,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.worker.waiting.places.borrow_mut().remove(&self.number);
        if !self.place.released.get() {
            self.place.hold.leave(self.place.bytes);
        }
    }
}
