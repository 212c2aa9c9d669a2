//! The life of a gateway thread: start, listen, obey the mailbox, end.

use super::accept::Acceptor;
use super::in_flight::part_of;
use super::{Census, Message, Streams, Worker};
use crate::buffer::Buffers;
use crate::clock::{self, Anchor};
use crate::examine::Examiner;
use crate::listen::Bound;
use crate::settings::Settings;
use crate::table::{Pinned, Table};
use crate::timer::{Beat, Timers};
use crate::tls::Handshakes;
use crate::upstream::resolve::Resolver;
use crate::upstream::tls::Connectors;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use telemetry::access_log::LogBuffer;
use telemetry::samples::Samples;
use telemetry::series::Series;
use telemetry::totals::Totals;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot};

/// Bytes of a read buffer: most bodies in few reads, and room for a whole head.
const BUFFER_BYTES: usize = 32 * 1024;
/// Threads that wait for the system's name resolver, per gateway thread: names whose servers are silent hold one each, for seconds.
const MAX_BLOCKING_THREADS: usize = 16;
/// How many ticks lie between two sweeps of idle upstream connections and of the log.
const SWEEP_TICKS: u64 = 5;

/// What a thread starts with.
pub(crate) struct Start {
    pub(crate) thread: usize,
    pub(crate) settings: Arc<Settings>,
    pub(crate) listeners: Vec<Bound>,
    pub(crate) mailbox: mpsc::UnboundedReceiver<Message>,
    pub(crate) tls: Connectors,
    pub(crate) log: Option<LogBuffer>,
    pub(crate) totals: Arc<Totals>,
    pub(crate) failures: Arc<Samples>,
    pub(crate) unmatched: Arc<Series>,
    pub(crate) census: Arc<Census>,
}

/// Runs a gateway thread until its mailbox is closed.
///
/// # Errors
/// When the runtime or a listener cannot be set up.
pub(crate) fn run(start: Start) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build_local(LocalOptions::default())?;
    let result = runtime.block_on(serve(start));
    // Nobody waits for names any more.
    runtime.shutdown_background();
    result
}

/// Makes what the connections of a thread share.
fn worker(start: Start) -> (Rc<Worker>, Vec<Bound>, mpsc::UnboundedReceiver<Message>) {
    let worker = Worker {
        thread: start.thread,
        table: RefCell::new(Pinned::new(Arc::new(Table::empty()))),
        pools: Default::default(),
        buffers: Rc::new(Buffers::new(BUFFER_BYTES.max(start.settings.head.head_bytes))),
        answers: RefCell::default(),
        requests: RefCell::default(),
        crew: Rc::default(),
        repeats: Default::default(),
        timers: Rc::new(Timers::default()),
        resolver: Resolver::new(
            Duration::from_millis(start.settings.dns_valid_ms),
            Arc::clone(&start.settings.names),
        ),
        tls: start.tls,
        log: RefCell::new(start.log),
        totals: start.totals,
        failures: start.failures,
        unmatched: start.unmatched,
        streams: Streams::of_thread(start.thread),
        waiting: Default::default(),
        connections: Cell::new(0),
        in_flight: Cell::new(0),
        most_requests: part_of(start.settings.max_requests, start.settings.threads),
        last_left: Notify::new(),
        census: start.census,
        draining: Cell::new(false),
        closing: Cell::new(false),
        anchor: Cell::new(Anchor::read()),
        handshakes: Handshakes::new(
            part_of(start.settings.max_handshakes, start.settings.threads),
            start.settings.handshake_timeout_ms,
        ),
        examiner: Examiner::new(&start.settings),
        settings: start.settings,
    };
    (Rc::new(worker), start.listeners, start.mailbox)
}

async fn serve(start: Start) -> io::Result<()> {
    let (worker, listeners, mut mailbox) = worker(start);
    let mut acceptors = listeners.into_iter().map(Acceptor::new).collect::<io::Result<Vec<_>>>()?;
    let mut accepting = Vec::new();
    let mut configured = false;
    let ticking = tokio::task::spawn_local(tick(Rc::clone(&worker)));
    let mut waiting = Vec::new();
    while let Some(message) = next(&worker, &mut mailbox, &mut waiting).await {
        match message {
            Message::Table(table, acknowledge) => {
                worker.swap(table);
                // With the first table, not before: until then clients wait in the queue instead of being told 404.
                configured = true;
                accepting.extend(acceptors.drain(..).map(|acceptor| acceptor.begin(&worker)));
                // The one who asked may be gone; the table runs all the same.
                let _ = acknowledge.send(());
            }
            Message::Listen(more, done) => {
                acceptors.extend(more.into_iter().map(Acceptor::new).collect::<io::Result<Vec<_>>>()?);
                if configured {
                    accepting.extend(acceptors.drain(..).map(|acceptor| acceptor.begin(&worker)));
                }
                // The one who asked may be gone.
                let _ = done.send(());
            }
            Message::Drain(done) => {
                worker.draining.set(true);
                acceptors.clear();
                // Connections of HTTP/2 tell their clients; a thread may have no listener of its own.
                worker.timers.wake_all();
                for task in accepting.drain(..) {
                    // The task sees the flag, takes what still waits in its queue, and ends.
                    worker.timers.wake_all();
                    let _ = task.await;
                }
                waiting.push(done);
            }
            Message::Leave(leave) => worker.streams.leave(leave, worker.timers.now()),
            Message::Stop => break,
            Message::Close => {
                worker.closing.set(true);
                worker.timers.wake_all();
            }
        }
    }
    ticking.abort();
    if let Some(log) = worker.log.borrow_mut().as_mut() {
        log.flush();
    }
    Ok(())
}

/// The next message; meanwhile, tells those who wait for the drain when the last connection has gone.
async fn next(
    worker: &Worker,
    mailbox: &mut mpsc::UnboundedReceiver<Message>,
    waiting: &mut Vec<oneshot::Sender<()>>,
) -> Option<Message> {
    loop {
        if worker.connections.get() == 0 {
            for done in waiting.drain(..) {
                // The one who asked may be gone.
                let _ = done.send(());
            }
        }
        if waiting.is_empty() {
            return mailbox.recv().await;
        }
        tokio::select! {
            message = mailbox.recv() => return message,
            () = worker.last_left.notified() => {}
        }
    }
}

/// Moves the coarse clock, and cleans up every few ticks.
async fn tick(worker: Rc<Worker>) {
    let mut beat = Beat::new(clock::now());
    let mut swept = 0;
    loop {
        clock::pause(beat.until_next(clock::now())).await;
        worker.timers.pass(beat.ticks(clock::now()));
        let now = worker.timers.now();
        if now - swept >= SWEEP_TICKS {
            swept = now;
            worker.resolver.sweep();
            worker.pools.sweep(now);
            worker.anchor.set(Anchor::read());
            if let Some(log) = worker.log.borrow_mut().as_mut() {
                log.flush();
            }
        }
    }
}
