//! Taking connections from a listener.

use super::Worker;
use super::relayed::read_header;
use crate::client::{ClientIo, serve_client};
use crate::clock;
use crate::listen::Bound;
use crate::refusal::Refusal;
use crate::request::Connection;
use crate::settings::Listener;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long to wait when the system is out of file descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Connections beyond the bound that are answered before they are closed: so many at least, and one more for so many
/// accepted ones.
const REFUSED_AT_LEAST: usize = 16;
const REFUSED_PER_ACCEPTED: usize = 8;

/// Connections that a draining thread still takes from a socket's queue: no queue is longer, and where another process
/// accepts from the same socket, it is that one's turn.
const MAX_LATE: usize = 4_096;

/// One socket that connections are accepted from.
pub(super) struct Acceptor {
    place: usize,
    sockets: TcpListener,
}

impl Acceptor {
    /// Registers the socket with the thread's runtime; nothing is accepted yet.
    pub(super) fn new(bound: Bound) -> std::io::Result<Acceptor> {
        Ok(Acceptor { place: bound.place, sockets: TcpListener::from_std(bound.socket)? })
    }

    /// Accepts from now on.
    pub(super) fn begin(self, worker: &Rc<Worker>) -> JoinHandle<()> {
        tokio::task::spawn_local(accept(Rc::clone(worker), self))
    }
}

/// Accepts until the thread drains, and then what still waits in the queue.
async fn accept(worker: Rc<Worker>, acceptor: Acceptor) {
    let Acceptor { place, sockets } = acceptor;
    let Some(listener) = worker.settings.listen.get(place).copied() else { return };
    let mut late = 0;
    let wakeup = worker.timers.timer();
    loop {
        // Outside the task's budget: one that is used up would look like an empty queue.
        let next = tokio::task::coop::unconstrained(std::future::poll_fn(|cx| {
            if let Poll::Ready(accepted) = sockets.poll_accept(cx) {
                return Poll::Ready(Some(accepted));
            }
            if worker.draining.get() {
                return Poll::Ready(None);
            }
            wakeup.poll_elapsed(cx).map(|_| None)
        }));
        match next.await {
            Some(Ok((socket, peer))) => {
                open(&worker, listener, socket, peer);
                late += usize::from(worker.draining.get());
                if late > MAX_LATE {
                    return;
                }
            }
            Some(Err(error)) if is_of_one_connection(&error) => {}
            Some(Err(_)) if worker.draining.get() => return,
            Some(Err(error)) => {
                tracing::warn!(address = %listener.address, %error, "cannot accept connections for a moment");
                clock::pause(EXHAUSTED_PAUSE).await;
            }
            None => return,
        }
    }
}

/// The client was gone before it was accepted; the next one is not concerned.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn open(worker: &Rc<Worker>, listener: Listener, socket: TcpStream, peer: SocketAddr) {
    if listener.tls {
        return;
    }
    let Ok(local) = socket.local_addr() else { return };
    // Without it, the last piece of an answer would wait for the client's acknowledgement.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let counted = Counted::new(worker);
    let (open, most) = (worker.all_connections.load(Relaxed), worker.settings.max_connections);
    let too_many = open > most;
    // Being told costs a connection, too: beyond some more, there is no answer.
    if open > most.saturating_add(most / REFUSED_PER_ACCEPTED).saturating_add(REFUSED_AT_LEAST) {
        return;
    }
    tokio::task::spawn_local(async move {
        let mut connection = Connection::new(peer, local);
        let (worker, mut socket) = (&counted.worker, socket);
        // In a box: what most connections do not need is not to make their tasks larger.
        if listener.relayed && !Box::pin(read_header(worker, &mut socket, &mut connection)).await {
            return;
        }
        connection.standing = worker.settings.trust.standing(connection.peer.ip());
        let refusal = too_many.then_some(Refusal::TooManyConnections);
        let io = ClientIo::Plain(socket);
        serve_client(Rc::clone(&counted.worker), io, connection, refusal).await;
    });
}

/// A connection that is counted while it lives.
struct Counted {
    worker: Rc<Worker>,
}

impl Counted {
    fn new(worker: &Rc<Worker>) -> Counted {
        worker.connections.set(worker.connections.get() + 1);
        worker.all_connections.fetch_add(1, Relaxed);
        worker.totals().connection_opened();
        Counted { worker: Rc::clone(worker) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.connections.set(worker.connections.get() - 1);
        worker.all_connections.fetch_sub(1, Relaxed);
        worker.totals().connection_closed();
        if worker.connections.get() == 0 {
            worker.last_left.notify_one();
        }
    }
}
