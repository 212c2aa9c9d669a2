//! The sockets that connections come from: opened at a start, or taken over from the process that had them before.
//!
//! An address has several sockets on one port (`SO_REUSEPORT`), usually one for each thread, and the system spreads
//! connections over them. Closing one of them resets what waits in its queue. So whoever takes over takes *all* of them, whatever its
//! number of threads is: a thread may accept from several. Sockets for further threads are bound at once, so that it is
//! known early that they can be, and listen only when nothing can go wrong any more: a socket that listens
//! gets its share of the connections.
//!
//! A socket that a service manager opened lets no other one onto its port, as a rule: then the threads share it.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that may wait to be accepted, per socket.
const BACKLOG: i32 = 4_096;

/// All sockets of one address.
#[derive(Debug)]
pub struct Listening {
    /// The address as the configuration says it; its port may be 0.
    pub asked: SocketAddr,
    /// The address that was given for it.
    pub address: SocketAddr,
    /// At least one.
    pub sockets: Vec<TcpListener>,
}

/// An address cannot be listened on: it is taken, not ours, or not allowed.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// Which.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    source: io::Error,
}

/// One socket as a thread gets it.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Place of its address in the settings.
    pub(crate) place: usize,
    pub(crate) socket: TcpListener,
}

/// The sockets of all addresses, in the order of the settings.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    addresses: Vec<Listening>,
    /// For each address, sockets that do not listen yet.
    further: Vec<Vec<Socket>>,
}

impl Sockets {
    /// Takes from `handed` what is asked for, and opens the rest. What is left in `handed` is closed: it is still
    /// listened on by the process that it came from.
    pub(crate) fn open(
        asked: &[SocketAddr],
        threads: usize,
        mut handed: Vec<Listening>,
    ) -> Result<Sockets, ListenError> {
        let mut sockets = Sockets::default();
        for &address in asked {
            let failed = |source| ListenError { address, source };
            let (listening, further) = match take(&mut handed, address) {
                Some(listening) => {
                    let missing = threads.saturating_sub(listening.sockets.len());
                    let bound = beside(listening.address, missing).map_err(failed)?;
                    (listening, bound)
                }
                None => (open(address, threads).map_err(failed)?, Vec::new()),
            };
            sockets.addresses.push(listening);
            sockets.further.push(further);
        }
        Ok(sockets)
    }

    /// The addresses that were given.
    pub(crate) fn given(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|listening| listening.address).collect()
    }

    /// Listens on what does not listen yet, and gives each of `threads` its sockets.
    pub(crate) fn by_thread(&mut self, threads: usize) -> Result<Vec<Vec<Bound>>, ListenError> {
        let mut by_thread: Vec<Vec<Bound>> = (0..threads).map(|_| Vec::new()).collect();
        for (place, (listening, further)) in self.addresses.iter_mut().zip(&mut self.further).enumerate() {
            let failed = |source| ListenError { address: listening.address, source };
            for socket in further.drain(..) {
                socket.listen(BACKLOG).map_err(failed)?;
                listening.sockets.push(socket.into());
            }
            // With fewer sockets than threads, some are accepted from by several.
            let sockets = listening.sockets.iter().cycle().take(listening.sockets.len().max(threads));
            for (socket, thread) in sockets.zip((0..threads).cycle()) {
                let socket = socket.try_clone().map_err(failed)?;
                if let Some(bound) = by_thread.get_mut(thread) {
                    bound.push(Bound { place, socket });
                }
            }
        }
        Ok(by_thread)
    }

    /// Duplicates of all sockets that listen, to be handed to another process.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<Listening>> {
        let duplicate = |listening: &Listening| {
            let sockets = listening.sockets.iter().map(TcpListener::try_clone);
            Ok(Listening { sockets: sockets.collect::<io::Result<_>>()?, ..*listening })
        };
        self.addresses.iter().map(duplicate).collect()
    }
}

/// The sockets that were handed over for an address: what was asked for in the same words, or has the same address.
fn take(handed: &mut Vec<Listening>, asked: SocketAddr) -> Option<Listening> {
    let same_words = handed.iter().position(|listening| listening.asked == asked);
    let place = same_words.or_else(|| handed.iter().position(|listening| listening.address == asked))?;
    Some(Listening { asked, ..handed.remove(place) })
}

/// Further sockets on a port that has some; none if they may not be there: `SO_REUSEPORT` is to be set on all, by one user.
fn beside(address: SocketAddr, count: usize) -> io::Result<Vec<Socket>> {
    let bound = (0..count).map(|_| bind(address, true)).collect::<io::Result<Vec<_>>>();
    match bound {
        Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            Ok(Vec::new())
        }
        bound => bound,
    }
}

/// One socket for each thread, all on the same port.
fn open(asked: SocketAddr, threads: usize) -> io::Result<Listening> {
    // Without the option first: a port that someone else listens on is an error, not shared.
    let probe = bind(asked, false)?;
    let address = probe.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    drop(probe);
    let listen = |_| {
        let socket = bind(address, true)?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    let sockets = (0..threads).map(listen).collect::<io::Result<_>>()?;
    Ok(Listening { asked, address, sockets })
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// How many sockets each thread gets.
    fn shares(sockets: &mut Sockets, threads: usize) -> Vec<usize> {
        sockets.by_thread(threads).unwrap().iter().map(Vec::len).collect()
    }

    #[test]
    fn each_thread_has_a_socket_of_its_own_at_a_start() {
        let mut sockets = Sockets::open(&[FREE, FREE], 3, Vec::new()).unwrap();
        assert_eq!(shares(&mut sockets, 3), [2, 2, 2]);
        let given = sockets.given();
        assert!(given.iter().all(|address| address.port() != 0) && given[0] != given[1]);
    }

    #[test]
    fn fewer_threads_share_all_that_was_handed_over() {
        let old = Sockets::open(&[FREE], 3, Vec::new()).unwrap();
        let mut new = Sockets::open(&[FREE], 2, old.duplicates().unwrap()).unwrap();
        assert_eq!(new.given(), old.given());
        assert_eq!(shares(&mut new, 2), [2, 1]);
    }

    #[test]
    fn more_threads_get_sockets_that_get_nothing_before_they_listen() {
        let old = Sockets::open(&[FREE], 1, Vec::new()).unwrap();
        let mut new = Sockets::open(&old.given(), 4, old.duplicates().unwrap()).unwrap();
        // All of these wait in the one queue that is listened on.
        let waiting: Vec<_> = (0..16).map(|_| TcpStream::connect(old.given()[0]).unwrap()).collect();
        for _ in &waiting {
            old.addresses[0].sockets[0].accept().unwrap();
        }
        assert_eq!(shares(&mut new, 4), [1, 1, 1, 1]);
    }

    #[test]
    fn threads_share_a_socket_that_lets_no_other_onto_its_port() {
        let socket = TcpListener::bind(FREE).unwrap();
        let address = socket.local_addr().unwrap();
        let handed = vec![Listening { asked: address, address, sockets: vec![socket] }];
        let mut sockets = Sockets::open(&[address], 3, handed).unwrap();
        assert_eq!(shares(&mut sockets, 3), [1, 1, 1]);
        let mut fewer = Sockets::open(&[address], 2, sockets.duplicates().unwrap()).unwrap();
        assert_eq!((shares(&mut fewer, 2), fewer.duplicates().unwrap()[0].sockets.len()), (vec![1, 1], 1));
    }

    #[test]
    fn an_address_that_was_not_handed_over_is_opened() {
        let old = Sockets::open(&[FREE], 1, Vec::new()).unwrap();
        let asked = [SocketAddr::from(([127, 0, 0, 2], 0)), old.given()[0]];
        let new = Sockets::open(&asked, 1, old.duplicates().unwrap()).unwrap();
        assert_eq!(new.given()[1], old.given()[0]);
        assert_ne!(new.given()[0], old.given()[0]);
    }
}
