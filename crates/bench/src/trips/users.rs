//! The users: each asks at fixed moments, whoever is slow.

use super::{Colour, Seen, Site};
use crate::{clock, message};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// An answer that takes longer is none.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks for a site again and again, on one connection, so many times a second.
pub fn ask(port: u16, number: usize, per_second: f64, site: &Site) -> ! {
    let request = format!("GET /site-{number}/ HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes();
    let between = Duration::from_secs_f64(1.0 / per_second);
    let (mut due, mut connection) = (clock::now(), None);
    loop {
        // Who is late by more than one turn does not make up for it.
        due = (due + between).max(clock::now());
        clock::sleep_until(due);
        let answer = match &mut connection {
            Some(open) => exchange(open, &request),
            closed => open(port).and_then(|opened| exchange(closed.insert(opened), &request)),
        };
        if answer.is_err() {
            connection = None;
        }
        let (colour, failed) = answer.unwrap_or((Colour::Neither, true));
        site.add(Seen { at: clock::now(), colour, failed });
    }
}

fn open(port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(LIMIT))?;
    Ok(socket)
}

/// Whose the answer is, and whether it is a failure.
fn exchange(socket: &mut TcpStream, request: &[u8]) -> io::Result<(Colour, bool)> {
    socket.write_all(request)?;
    let (mut input, mut piece) = (Vec::new(), [0_u8; 4_096]);
    loop {
        let length = socket.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(piece.get(..length).unwrap_or_default());
        let Some(head) = message::head(&input) else { continue };
        if input.len() >= head.length + head.body_length {
            let text = String::from_utf8_lossy(input.get(..head.length).unwrap_or_default()).to_lowercase();
            let colour = match () {
                () if text.contains("\r\nx-colour: green\r\n") => Colour::Green,
                () if text.contains("\r\nx-colour: blue\r\n") => Colour::Blue,
                () => Colour::Neither,
            };
            return Ok((colour, !text.starts_with("http/1.1 2")));
        }
    }
}
