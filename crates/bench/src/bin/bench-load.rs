//! `bench-load PORT WORKLOAD SECONDS CONNECTIONS PID,PID,...`: keeps one request open on each connection, never sleeps, checks
//! every answer (status, length, each byte of the body), and reads the CPU time of the measured processes at the
//! first and the last moment of the measurement. Prints one JSON object.
//!
//! The first fifth of the time warms up and is not counted.
#![forbid(unsafe_code)]

use bench::arguments::Arguments;
use bench::clock::now;
use bench::keys::Keys;
use bench::message;
use bench::poller::{Poller, Sleep};
use bench::tally::{Measurement, Tally, warm_up};
use bench::workload::Request;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;

struct Connection {
    socket: TcpStream,
    request: Request,
    sent: usize,
    began: Instant,
    /// Bytes of the head so far; empty while the body is read.
    head: Vec<u8>,
    /// Bytes of the body so far, once the head is whole.
    body: Option<usize>,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::read("bench-load PORT WORKLOAD SECONDS CONNECTIONS PID,PID,...", false)?;
    let expected = arguments.workload.response_body();
    let mut poller = Poller::new()?;
    let mut connections = Vec::new();
    for number in 0..arguments.connections {
        let request = Request::new(arguments.workload, arguments.port, Keys::of(number));
        connections.push(connect(arguments.port, &poller, number, request)?);
    }
    let mut tally = Tally::default();
    run(&mut poller, &mut connections, &expected, now() + warm_up(arguments.time), &mut tally)?;
    let measurement = Measurement::begin(&mut tally, &arguments.processes);
    run(&mut poller, &mut connections, &expected, now() + arguments.time, &mut tally)?;
    println!("{}", measurement.report(tally));
    Ok(())
}

fn connect(port: u16, poller: &Poller, number: usize, request: Request) -> io::Result<Connection> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    poller.add(&socket, number)?;
    poller.watch(&socket, number, true, true)?;
    Ok(Connection { socket, request, sent: 0, began: now(), head: Vec::new(), body: None })
}

impl Connection {
    fn waits_for_room(&self) -> bool {
        self.sent < self.request.bytes().len()
    }
}

/// Keeps every connection busy until the deadline.
fn run(
    poller: &mut Poller,
    connections: &mut [Connection],
    expected: &[u8],
    deadline: Instant,
    tally: &mut Tally,
) -> io::Result<()> {
    let mut piece = vec![0_u8; 64 * 1024];
    let mut numbers = Vec::new();
    while now() < deadline {
        poller.wait(Sleep::Never, &mut numbers)?;
        for &number in &numbers {
            let Some(connection) = connections.get_mut(number) else { continue };
            let waited_for_room = connection.waits_for_room();
            if let Err(error) = drive(connection, expected, &mut piece, tally) {
                if !tally.failed(&error) {
                    return Err(error);
                }
                let port = connection.socket.peer_addr()?.port();
                *connection = connect(port, poller, number, connection.request.clone())?;
                continue;
            }
            let waits_for_room = connection.waits_for_room();
            if waited_for_room != waits_for_room {
                poller.watch(&connection.socket, number, true, waits_for_room)?;
            }
        }
    }
    Ok(())
}

/// Sends what is to be sent and reads what is there.
fn drive(
    connection: &mut Connection,
    expected: &[u8],
    piece: &mut [u8],
    tally: &mut Tally,
) -> io::Result<()> {
    send(connection)?;
    loop {
        match connection.socket.read(piece) {
            Ok(0) => return Err(wrong("the connection was closed")),
            Ok(length) => {
                let bytes = piece.get(..length).unwrap_or_default();
                if take(connection, bytes, expected)? {
                    tally.whole(connection.began);
                    connection.request.change_key();
                    (connection.sent, connection.body, connection.began) = (0, None, now());
                    return send(connection);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn send(connection: &mut Connection) -> io::Result<()> {
    while let Some(rest) = connection.request.bytes().get(connection.sent..).filter(|rest| !rest.is_empty()) {
        match connection.socket.write(rest) {
            Ok(length) => connection.sent += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Checks some bytes of an answer; true when it is whole.
fn take(connection: &mut Connection, mut bytes: &[u8], expected: &[u8]) -> io::Result<bool> {
    let so_far = match connection.body {
        Some(so_far) => so_far,
        None => {
            let before = connection.head.len();
            connection.head.extend_from_slice(bytes);
            let Some(head) = message::head(&connection.head) else { return Ok(false) };
            if !connection.head.starts_with(b"HTTP/1.1 200 ") {
                return Err(wrong("the status is not 200"));
            }
            if head.body_length != expected.len() || head.close {
                return Err(wrong("the answer has another Content-Length, or closes the connection"));
            }
            bytes = bytes.get(head.length - before..).unwrap_or_default();
            connection.head.clear();
            0
        }
    };
    if expected.get(so_far..so_far + bytes.len()) != Some(bytes) {
        return Err(wrong("the body is another one"));
    }
    connection.body = Some(so_far + bytes.len());
    Ok(so_far + bytes.len() == expected.len())
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
