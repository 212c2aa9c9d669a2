//! The versions: what they answer, and when.

use super::Site;
use crate::message;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Which version, or that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The old one, which never fails.
    Blue,
    /// The new one.
    Green,
    /// The proxy, or none.
    Neither,
}

/// Accepts for a version until the process ends; each connection has a thread.
///
/// # Errors
/// When nothing can be accepted any more.
pub fn serve(listener: &TcpListener, colour: Colour, sites: &Arc<[Site]>) -> io::Result<()> {
    for number in 1.. {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let sites = Arc::clone(sites);
        std::thread::spawn(move || answer(socket, colour, &sites, number));
    }
    Ok(())
}

/// Answers `GET /site-N/` until the proxy closes.
fn answer(mut socket: TcpStream, colour: Colour, sites: &[Site], seed: u64) -> Option<()> {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut input, mut piece) = (Vec::new(), [0_u8; 4_096]);
    loop {
        while let Some(head) = message::head(&input) {
            let site = sites.get(site_of(&input)?)?;
            input.drain(..head.length + head.body_length);
            // Marsaglia's xorshift: chance that needs no crate.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let fails = colour == Colour::Green && random % 1_000 < u64::from(site.failing.load(Relaxed));
            socket.write_all(text(colour, fails)).ok()?;
        }
        let length = socket.read(&mut piece).ok().filter(|length| *length > 0)?;
        input.extend_from_slice(piece.get(..length)?);
    }
}

fn text(colour: Colour, fails: bool) -> &'static [u8] {
    match (colour, fails) {
        (Colour::Green, true) => {
            b"HTTP/1.1 500 Internal Server Error\r\nX-Colour: green\r\nContent-Length: 2\r\n\r\nno"
        }
        (Colour::Green, false) => b"HTTP/1.1 200 OK\r\nX-Colour: green\r\nContent-Length: 2\r\n\r\nok",
        _ => b"HTTP/1.1 200 OK\r\nX-Colour: blue\r\nContent-Length: 2\r\n\r\nok",
    }
}

fn site_of(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head.strip_prefix(b"GET /site-")?.split(|byte| *byte == b'/').next()?);
    text.ok()?.parse().ok()
}
