//! Sockets that the service manager listens on and passes to this process (sd_listen_fds(3)): `LISTEN_FDS` of them, from
//! descriptor 3 on, for the process `LISTEN_PID`, with the names in `LISTEN_FDNAMES`.
//!
//! The manager keeps them open while no process runs: over a restart connections wait, where they would be refused. Each
//! serves the listener whose address it is bound to; this module chooses no address. One that no listener wants is an error: nobody
//! would ever answer those who connect to it.

use gateway::Listening;
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;

/// How many may be passed.
const COUNT: RangeInclusive<usize> = 1..=256;
/// The first descriptor.
const FIRST: usize = 3;

/// Why what was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// The variable is not what sd_listen_fds(3) says.
    #[error("LISTEN_FDS is {0:?}; it is to be a number from 1 to 256")]
    Count(String),
    /// It is of another kind: a Unix socket, UDP, or a connection (`Accept=yes`).
    #[error("descriptor {descriptor}{name} of the service manager is no TCP socket that listens")]
    Kind {
        /// Which.
        descriptor: usize,
        /// ` (NAME)`, if it has one.
        name: String,
        /// What the system says to it.
        #[source]
        source: io::Error,
    },
    /// No listener is on its address.
    #[error(
        "the service manager passed a socket on {address}{name}, and nothing is to listen on that address"
    )]
    Unwanted {
        /// Where it is.
        address: SocketAddr,
        /// ` (NAME)`, if it has one.
        name: String,
    },
}

/// The sockets that were passed.
#[derive(Debug, Default)]
pub struct Passed(Vec<Listening>);

impl Passed {
    /// Takes them, each for one of the addresses in `wanted`. To be called once, before this process opens any descriptor
    /// that stays and starts any thread: the numbers alone say which descriptors they are. They are not inherited by
    /// children, nor are `LISTEN_PID` and `LISTEN_FDS`; names alone say nothing.
    ///
    /// # Errors
    /// When one is not a TCP socket that listens, or is on another address.
    pub(super) fn receive(wanted: &[SocketAddr]) -> Result<Passed, PassedError> {
        let mut passed = Passed::default();
        if !are_for_us() {
            return Ok(passed);
        }
        let Some(count) = std::env::var_os("LISTEN_FDS") else { return Ok(passed) };
        let count = count.to_string_lossy();
        // The library makes a list of as many as it is told.
        if !count.parse().is_ok_and(|count| COUNT.contains(&count)) {
            return Err(PassedError::Count(count.into_owned()));
        }
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        for place in 0..sockets.len() {
            let name = names.split(':').nth(place).filter(|name| !name.is_empty());
            let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
            let taken = sockets.take_tcp_listener(place).and_then(listening);
            let (address, socket) = taken.map_err(|source| {
                let (descriptor, name) = (FIRST + place, name.clone());
                PassedError::Kind { descriptor, name, source }
            })?;
            if !wanted.contains(&address) {
                return Err(PassedError::Unwanted { address, name });
            }
            passed.add(address, socket);
        }
        Ok(passed)
    }

    fn add(&mut self, address: SocketAddr, socket: TcpListener) {
        match self.0.iter_mut().find(|listening| listening.address == address) {
            Some(listening) => listening.sockets.push(socket),
            None => self.0.push(Listening { asked: address, address, sockets: vec![socket] }),
        }
    }

    /// Takes out those on the addresses in `asked`, and adds them to what another process has handed over, which may
    /// be the same ones.
    pub(super) fn join(
        &mut self,
        asked: &[SocketAddr],
        mut handed: Vec<Listening>,
    ) -> io::Result<Vec<Listening>> {
        for passed in self.0.extract_if(.., |listening| asked.contains(&listening.address)) {
            match handed.iter_mut().find(|listening| listening.address == passed.address) {
                Some(listening) => add_others(&mut listening.sockets, passed.sockets)?,
                None => handed.push(passed),
            }
        }
        Ok(handed)
    }
}

/// Whether the variables speak to this process: a child inherits them, and not the sockets.
fn are_for_us() -> bool {
    std::env::var("LISTEN_PID").is_ok_and(|of| of.parse() == Ok(std::process::id()))
}

/// A socket with its address, ready for a thread's runtime.
fn listening(socket: Option<TcpListener>) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = socket.ok_or(io::ErrorKind::NotFound)?;
    if !rustix::net::sockopt::socket_acceptconn(&socket)? {
        return Err(io::Error::other("it does not listen; `Accept=yes` is not for this service"));
    }
    socket.set_nonblocking(true)?;
    Ok((socket.local_addr()?, socket))
}

/// Adds those of `more` that are not there yet: duplicates of one socket have one inode.
fn add_others(sockets: &mut Vec<TcpListener>, more: Vec<TcpListener>) -> io::Result<()> {
    let inode = |socket: &TcpListener| Ok(rustix::fs::fstat(socket)?.st_ino);
    let mut known = sockets.iter().map(inode).collect::<io::Result<Vec<_>>>()?;
    for socket in more {
        let inode = inode(&socket)?;
        if !known.contains(&inode) {
            known.push(inode);
            sockets.push(socket);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> (SocketAddr, TcpListener) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        (socket.local_addr().unwrap(), socket)
    }

    #[test]
    fn what_was_handed_over_too_is_accepted_from_once() {
        let ((one, first), (_, second), (other, third)) = (socket(), socket(), socket());
        let same = first.try_clone().unwrap();
        let mut passed = Passed::default();
        // As if both were on the same address, which needs SO_REUSEPORT.
        passed.add(one, first);
        passed.add(one, second);
        passed.add(other, third);
        let handed = vec![Listening { asked: one, address: one, sockets: vec![same] }];
        let joined = passed.join(&[one], handed).unwrap();
        assert_eq!((joined.len(), joined[0].sockets.len()), (1, 2));
        let rest = passed.join(&[one, other], Vec::new()).unwrap();
        assert_eq!((rest.len(), rest[0].address), (1, other));
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let (address, _listener) = socket();
        let stream = std::net::TcpStream::connect(address).unwrap();
        let error = listening(Some(std::os::fd::OwnedFd::from(stream).into())).unwrap_err();
        assert!(error.to_string().contains("does not listen"), "{error}");
    }
}
