//! Taking connections from a listener.

use super::Worker;
use super::census::{Verdict, counted_as};
use super::relayed::read_header;
use crate::client::http2::serve_http2;
use crate::client::{ClientIo, serve_client};
use crate::clock;
use crate::listen::Bound;
use crate::refusal::Refusal;
use crate::request::Connection;
use crate::settings::Listener;
use crate::socket::prepare;
use crate::timer::ticks;
use crate::tls;
use crate::trust::Standing;
use model::reason::ConnectionReason;
use socket2::SockRef;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long to wait when the system is out of file descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// The least time between two complaints about that.
const COMPLAINT_MS: u64 = 60_000;

/// Bytes of answers that the system holds for a client and has not sent yet.
const MAX_UNSENT_BYTES: u32 = 128 * 1024;

/// Connections that are taken in one go; then those that were taken have their turn, and all others of the thread.
const MAX_AT_ONCE: usize = 64;

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
    let (mut late, mut complain_at, mut taken) = (0, 0, 0_usize);
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
                taken = taken.wrapping_add(1);
                if taken.is_multiple_of(MAX_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
            }
            Some(Err(error)) if is_of_one_connection(&error) => {}
            Some(Err(_)) if worker.draining.get() => return,
            Some(Err(error)) => {
                if worker.timers.now() >= complain_at {
                    complain_at = worker.timers.now() + ticks(COMPLAINT_MS);
                    tracing::warn!(address = %listener.address, %error, "cannot accept connections for a moment");
                }
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
    let Ok(local) = socket.local_addr() else { return };
    // What a client does not take is to wait here, where it is seen, and not in megabytes of the system's. A system that
    // does not know the option is none to refuse connections for.
    let _ = SockRef::from(&socket).set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
    if prepare(&socket, Some(peer.ip())).is_err() {
        return;
    }
    let (counted, verdict) = Counted::new(worker);
    if verdict == Verdict::Ignored {
        return worker.totals().connection_refused(ConnectionReason::TooMany);
    }
    tokio::task::spawn_local(serve(counted, verdict, listener, socket, (peer, local)));
}

/// Serves a connection to its end. While it is idle it holds what this future holds.
async fn serve(
    mut counted: Counted,
    verdict: Verdict,
    listener: Listener,
    mut socket: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
) {
    let worker = Rc::clone(&counted.worker);
    // In a box, like all that is large or not needed by most: the task of an idle connection is to be small.
    let mut connection = Box::new(Connection::new(peer, local));
    if listener.relayed && !Box::pin(read_header(&worker, &mut socket, &mut connection)).await {
        worker.totals().connection_refused(ConnectionReason::ProxyHeader);
        return;
    }
    connection.standing = worker.settings.trust.standing(connection.peer.ip());
    let of_address = counted.from(&connection);
    match (verdict, of_address) {
        (Verdict::Welcome, Verdict::Welcome) => {}
        (Verdict::Welcome, _) => worker.totals().connection_refused(ConnectionReason::TooManyOfAddress),
        _ => worker.totals().connection_refused(ConnectionReason::TooMany),
    }
    let refusal = match verdict.max(of_address) {
        Verdict::Welcome => None,
        Verdict::Refused => Some(Refusal::TooManyConnections),
        Verdict::Ignored => return,
    };
    if !listener.tls {
        serve_client(worker, ClientIo::Plain(socket), connection, refusal).await;
    } else if refusal.is_none() {
        // Too many connections is no time for handshakes: such a client is told by the end of its connection.
        Box::pin(serve_tls(worker, socket, connection)).await;
    }
}

/// Serves a connection that begins with a TLS handshake.
async fn serve_tls(worker: Rc<Worker>, socket: TcpStream, mut connection: Box<Connection>) {
    // In a box of its own, so that what the handshake needs is let go of afterwards.
    let Some(accepted) = Box::pin(tls::accept(&worker, socket, &mut connection)).await else { return };
    let io = ClientIo::Tls(accepted.io);
    if accepted.http2 {
        let nothing = worker.buffers.buffer();
        Box::pin(serve_http2(&worker, io, nothing, Rc::from(connection))).await;
    } else {
        serve_client(worker, io, connection, None).await;
    }
}

/// A connection that is counted while it lives.
struct Counted {
    worker: Rc<Worker>,
    /// The address that it is counted for, if addresses have a bound.
    origin: Option<IpAddr>,
}

impl Counted {
    fn new(worker: &Rc<Worker>) -> (Counted, Verdict) {
        worker.connections.set(worker.connections.get() + 1);
        worker.totals().connection_opened();
        let verdict = worker.census.enter(worker.settings.max_connections);
        (Counted { worker: Rc::clone(worker), origin: None }, verdict)
    }

    /// Counts it for its address, too. A trusted proxy has as many as it needs.
    fn from(&mut self, connection: &Connection) -> Verdict {
        let most = self.worker.settings.max_connections_per_address;
        if most == 0 || connection.standing == Standing::Trusted {
            return Verdict::Welcome;
        }
        let origin = counted_as(connection.peer.ip());
        self.origin = Some(origin);
        self.worker.census.enter_from(origin, most)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.connections.set(worker.connections.get() - 1);
        worker.census.leave();
        if let Some(origin) = self.origin {
            worker.census.leave_from(origin);
        }
        worker.totals().connection_closed();
        if worker.connections.get() == 0 {
            worker.last_left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn a_connection_that_is_idle_is_small() {
        let bytes = size_of_future(serve);
        assert!(bytes <= 700, "{bytes}");
    }
}
