//! The tasks that serve streams. One that has served a stream waits for another, of whatever connection of its thread:
//! a task is large, and a stream is short.

use super::head;
use super::serve::{Kept, Opened, Shared, Unread, serve_stream};
use crate::timer::ticks;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use http1::RequestHead;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Tasks that wait; a further one ends with its stream.
const MAX_WAITING: usize = 128;

/// The least time between two lines in the log about floods, of each thread.
const QUIET_MS: u64 = 60_000;

/// The tasks of a thread that wait for a stream.
#[derive(Default)]
pub(crate) struct Crew {
    waiting: RefCell<Vec<Rc<Hand>>>,
    /// Heads to be used again, as many as tasks may wait.
    #[expect(clippy::vec_box, reason = "they travel with their streams, and are large")]
    heads: RefCell<Vec<Box<RequestHead>>>,
    /// The tick from which on a flood is told of again.
    quiet_until: Cell<u64>,
}

/// Where a waiting task finds its next stream.
struct Hand {
    stream: Cell<Option<Opened>>,
    waker: RefCell<Option<Waker>>,
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("waiting", &self.waiting.borrow().len()).finish()
    }
}

impl Crew {
    /// Has a stream served. Its head is read here, where it has just come, so that it need not be moved.
    pub(super) fn serve(
        self: &Rc<Crew>,
        shared: &Rc<Shared>,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) {
        let mut head = self.heads.borrow_mut().pop().unwrap_or_default();
        let has_content = !request.body().is_end_stream();
        let read = head::read(&request, has_content, &mut head, &shared.worker.settings.head)
            .map_err(|error| Unread { error, is_grpc: head::is_grpc(&request) });
        let body = request.into_body();
        let stream = Opened { open: shared.open(), read, head, has_content, body, respond };
        let waiting = self.waiting.borrow_mut().pop();
        if let Some(hand) = waiting {
            hand.stream.set(Some(stream));
            if let Some(waker) = &*hand.waker.borrow() {
                waker.wake_by_ref();
            }
            return;
        }
        let hand = Rc::new(Hand { stream: Cell::new(Some(stream)), waker: RefCell::default() });
        tokio::task::spawn_local(work(Rc::clone(self), hand, Kept::new(&shared.worker.timers)));
    }

    /// Whether the log is to hear of a flood, at tick `now`; then it hears of no other for [`QUIET_MS`].
    pub(super) fn may_tell(&self, now: u64) -> bool {
        let is_due = self.quiet_until.get() <= now;
        if is_due {
            self.quiet_until.set(now + ticks(QUIET_MS));
        }
        is_due
    }

    /// Takes a head back.
    fn give(&self, head: Box<RequestHead>) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < MAX_WAITING {
            heads.push(head);
        }
    }
}

async fn work(crew: Rc<Crew>, hand: Rc<Hand>, mut kept: Kept) {
    loop {
        let stream = poll_fn(|cx| match hand.stream.take() {
            Some(stream) => Poll::Ready(stream),
            None => {
                let mut waker = hand.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        });
        let stream = stream.await;
        crew.give(serve_stream(stream, &mut kept).await);
        let mut waiting = crew.waiting.borrow_mut();
        if waiting.len() == MAX_WAITING {
            return;
        }
        waiting.push(Rc::clone(&hand));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_once_a_minute() {
        let crew = Crew::default();
        let told: Vec<_> =
            [0, 1, 599, 600, 601, 5_000].into_iter().filter(|now| crew.may_tell(*now)).collect();
        assert_eq!(told, [0, 600, 5_000]);
    }
}
