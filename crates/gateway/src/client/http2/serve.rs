//! One stream from its head to its end.

use super::stream::Http2Stream;
use crate::client::{After, Client, ClientIo};
use crate::clock;
use crate::exchange;
use crate::record::Facts;
use crate::request::Connection;
use crate::respond;
use crate::timer::{Timer, Timers};
use crate::worker::Worker;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http1::{RequestError, RequestHead};
use model::reason::HeadReason;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What the streams of a connection share with each other and with what drives it.
pub(super) struct Shared {
    pub(super) worker: Rc<Worker>,
    pub(super) connection: Rc<Connection>,
    open: Cell<usize>,
    /// The last open stream has ended since someone asked.
    served: Cell<bool>,
    /// Bytes of content that all answers have queued.
    pub(super) queued: Rc<Cell<u64>>,
    driver: RefCell<Option<Waker>>,
}

impl Shared {
    pub(super) fn new(worker: Rc<Worker>, connection: Rc<Connection>) -> Shared {
        Shared {
            worker,
            connection,
            open: Cell::new(0),
            served: Cell::new(false),
            queued: Rc::default(),
            driver: RefCell::new(None),
        }
    }

    /// Counts a stream as open, as long as the result lives.
    pub(super) fn open(self: &Rc<Shared>) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(self))
    }

    /// Whether no stream is open.
    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// Whether the client has to connect again, for what it must show has changed.
    pub(super) fn is_outdated(&self) -> bool {
        self.connection.tls.as_ref().is_some_and(|tls| tls.is_outdated())
    }

    /// Ready when no stream is open.
    pub(super) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        self.watch(cx);
        if self.is_idle() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the connection has become idle since this was last asked.
    pub(super) fn take_served(&self) -> bool {
        self.served.replace(false)
    }

    /// Wakes the task when the last open stream has ended.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *driver = Some(cx.waker().clone());
        }
    }
}

/// An open stream.
pub(super) struct Open(Rc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        let open = self.0.open.get() - 1;
        self.0.open.set(open);
        if open == 0 {
            self.0.served.set(true);
            if let Some(driver) = &*self.0.driver.borrow() {
                driver.wake_by_ref();
            }
        }
    }
}

/// A head that is refused.
pub(super) struct Unread {
    pub(super) error: RequestError,
    /// It is that of a call of gRPC.
    pub(super) is_grpc: bool,
}

/// A stream whose head has come.
pub(super) struct Opened {
    pub(super) open: Open,
    /// The size of the head in bytes, or why it is none.
    pub(super) read: Result<usize, Unread>,
    pub(super) head: Box<RequestHead>,
    pub(super) has_content: bool,
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
}

/// What serves one stream after the other.
pub(super) struct Kept {
    timer: Option<Timer>,
    timers: Rc<Timers>,
}

impl Kept {
    pub(super) fn new(timers: &Rc<Timers>) -> Kept {
        Kept { timer: None, timers: Rc::clone(timers) }
    }
}

/// Serves a stream. Gives its head back.
pub(super) async fn serve_stream(stream: Opened, kept: &mut Kept) -> Box<RequestHead> {
    let Opened { open, read, head, has_content, body, respond } = stream;
    let Shared { worker, connection, .. } = &*open.0;
    let Kept { timer, timers } = kept;
    let began = clock::now();
    let mut client = Client {
        io: ClientIo::Http2(Box::new(Http2Stream::new(
            body,
            has_content,
            respond,
            &open.0.queued,
            &worker.settings.head,
        ))),
        input: worker.buffers.buffer(),
        timer: timer.take().unwrap_or_else(|| timers.timer()),
    };
    match read {
        Ok(bytes) => {
            worker.totals().request_received();
            let facts = Facts::new(began, bytes, head.framing());
            let after = exchange::serve(worker, &mut client, &head, connection, facts).await;
            // Who resets it now has its reason; dropping it would say that we do not want the rest of the request.
            if let (After::Gone, ClientIo::Http2(stream)) = (after, &mut client.io) {
                stream.reset(Reason::CANCEL);
            }
        }
        Err(Unread { error, is_grpc }) => {
            worker.totals().bad_request(HeadReason::of_status(error.status()));
            match (error, &mut client.io) {
                (RequestError::MalformedPseudo, ClientIo::Http2(stream)) => {
                    stream.reset(Reason::PROTOCOL_ERROR)
                }
                (error, _) => {
                    respond::refuse_unread(worker, &mut client, &error.into(), is_grpc).await;
                }
            }
        }
    }
    client.timer.limit(0);
    client.timer.disarm();
    *timer = Some(client.timer);
    head
}
