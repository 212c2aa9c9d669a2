//! `bench-relay PORT UPSTREAM_PORT`: copies bytes both ways and parses nothing: the floor that no proxy gets under.
//! One thread; it sleeps when there is nothing to do, as a proxy does.
#![forbid(unsafe_code)]

use bench::poller::{Poller, Sleep};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

const LISTENER: usize = usize::MAX - 1;

/// One end of a pair; sockets `2n` and `2n + 1` belong together.
struct Side {
    socket: TcpStream,
    /// Bytes that were read here and that the peer has not taken yet.
    for_peer: Vec<u8>,
    /// Whether it is watched for input and for room.
    watched: (bool, bool),
}

fn main() -> io::Result<()> {
    let mut ports = std::env::args().skip(1).filter_map(|port| port.parse::<u16>().ok());
    let (Some(port), Some(upstream)) = (ports.next(), ports.next()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: bench-relay PORT UPSTREAM_PORT"));
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(&listener, LISTENER)?;
    let mut sides: Vec<Option<Side>> = Vec::new();
    let mut piece = vec![0_u8; 64 * 1024];
    let mut numbers = Vec::new();
    println!("ready");
    loop {
        poller.wait(Sleep::Allowed, &mut numbers)?;
        for &number in &numbers {
            if number == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
                    for socket in [client, server] {
                        socket.set_nonblocking(true)?;
                        socket.set_nodelay(true)?;
                        poller.add(&socket, sides.len())?;
                        sides.push(Some(Side { socket, for_peer: Vec::new(), watched: (true, false) }));
                    }
                }
            } else if !relay(&poller, &mut sides, number, &mut piece)? {
                close(&mut sides, number);
                close(&mut sides, number ^ 1);
            }
        }
    }
}

/// Moves bytes in both directions; false when the pair is over.
fn relay(poller: &Poller, sides: &mut [Option<Side>], number: usize, piece: &mut [u8]) -> io::Result<bool> {
    let pair = sides.chunks_exact_mut(2).nth(number / 2);
    let Some([Some(even), Some(odd)]) = pair else { return Ok(false) };
    let (side, peer) = if number.is_multiple_of(2) { (even, odd) } else { (odd, even) };
    let mut open = write(&mut side.socket, &mut peer.for_peer);
    if open && side.for_peer.is_empty() {
        open = match side.socket.read(piece) {
            Ok(0) => false,
            Ok(length) => {
                forward(piece.get(..length).unwrap_or_default(), &mut side.for_peer, &mut peer.socket)
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
    }
    let (held, held_back) = (!side.for_peer.is_empty(), !peer.for_peer.is_empty());
    watch(poller, side, number, (!held, held_back))?;
    watch(poller, peer, number ^ 1, (!held_back, held))?;
    Ok(open)
}

/// Closes a socket.
fn close(sides: &mut [Option<Side>], number: usize) {
    if let Some(side) = sides.get_mut(number) {
        *side = None;
    }
}

/// Sends bytes on at once; what does not fit is held.
fn forward(bytes: &[u8], held: &mut Vec<u8>, to: &mut TcpStream) -> bool {
    match to.write(bytes) {
        Ok(written) => held.extend_from_slice(bytes.get(written..).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => held.extend_from_slice(bytes),
        Err(_) => return false,
    }
    true
}

/// Sends what was held.
fn write(to: &mut TcpStream, held: &mut Vec<u8>) -> bool {
    while !held.is_empty() {
        match to.write(held) {
            Ok(0) => return false,
            Ok(length) => {
                held.drain(..length);
            }
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

/// Tells the kernel what a socket is watched for, only when that changes.
fn watch(poller: &Poller, side: &mut Side, number: usize, wanted: (bool, bool)) -> io::Result<()> {
    if side.watched != wanted {
        side.watched = wanted;
        poller.watch(&side.socket, number, wanted.0, wanted.1)?;
    }
    Ok(())
}
