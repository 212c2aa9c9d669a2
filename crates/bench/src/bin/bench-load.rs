//! `bench-load PORT WORKLOAD SECONDS CONNECTIONS PIDS`: keeps one request open on each connection, never sleeps, checks
//! every answer (status, length, each byte of the body), and reads the CPU time of the measured processes at the
//! first and the last moment of the measurement. Prints one JSON object.
//!
//! The first fifth of the time warms up and is not counted.
#![forbid(unsafe_code)]

use bench::clock::now;
use bench::cpu;
use bench::message;
use bench::poller::{Poller, Sleep};
use bench::workload::Workload;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Arguments {
    port: u16,
    workload: Workload,
    time: Duration,
    connections: usize,
    processes: Vec<u32>,
}

struct Connection {
    socket: TcpStream,
    sent: usize,
    began: Instant,
    /// Bytes of the head so far; empty while the body is read.
    head: Vec<u8>,
    /// Bytes of the body so far, once the head is whole.
    body: Option<usize>,
}

#[derive(Default)]
struct Tally {
    requests: u64,
    errors: u64,
    latencies_us: Vec<u32>,
}

fn main() -> io::Result<()> {
    let Some(arguments) = arguments() else {
        let usage = "usage: bench-load PORT WORKLOAD SECONDS CONNECTIONS PID,PID,...";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, usage));
    };
    let request = arguments.workload.request(&format!("127.0.0.1:{}", arguments.port));
    let expected = arguments.workload.response_body();
    let mut poller = Poller::new()?;
    let mut connections = Vec::new();
    for number in 0..arguments.connections {
        connections.push(connect(arguments.port, &poller, number)?);
    }
    let warm_up = now() + arguments.time / 5;
    let mut tally = Tally::default();
    run(&mut poller, &mut connections, &request, &expected, warm_up, &mut tally)?;
    let warm_up_errors = tally.errors;
    let mut tally = Tally::default();
    let (began, cpu_before) = (now(), cpu::spent_ns(&arguments.processes));
    run(&mut poller, &mut connections, &request, &expected, began + arguments.time, &mut tally)?;
    let (elapsed, cpu_after) = (now() - began, cpu::spent_ns(&arguments.processes));
    tally.latencies_us.sort_unstable();
    println!(
        "{{\"requests\":{},\"errors\":{},\"elapsed_ns\":{},\"cpu_ns\":{},\"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{}}}",
        tally.requests,
        tally.errors + warm_up_errors,
        elapsed.as_nanos(),
        cpu_after.saturating_sub(cpu_before),
        quantile(&tally.latencies_us, 500),
        quantile(&tally.latencies_us, 990),
        quantile(&tally.latencies_us, 999),
        tally.latencies_us.last().copied().unwrap_or(0),
    );
    Ok(())
}

fn arguments() -> Option<Arguments> {
    let mut words = std::env::args().skip(1);
    Some(Arguments {
        port: words.next()?.parse().ok()?,
        workload: Workload::parse(&words.next()?)?,
        time: Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?,
        connections: words.next()?.parse().ok()?,
        processes: words.next()?.split(',').map(|process| process.parse().ok()).collect::<Option<_>>()?,
    })
}

fn connect(port: u16, poller: &Poller, number: usize) -> io::Result<Connection> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    poller.add(&socket, number)?;
    poller.watch(&socket, number, true, true)?;
    Ok(Connection { socket, sent: 0, began: now(), head: Vec::new(), body: None })
}

/// Keeps every connection busy until the deadline.
fn run(
    poller: &mut Poller,
    connections: &mut [Connection],
    request: &[u8],
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
            let waited_for_room = connection.sent < request.len();
            if let Err(error) = drive(connection, request, expected, &mut piece, tally) {
                eprintln!("bench-load: {error}");
                tally.errors += 1;
                if tally.errors > 1000 {
                    return Err(error);
                }
                let port = connection.socket.peer_addr().map(|peer| peer.port());
                *connection = connect(port?, poller, number)?;
                continue;
            }
            let waits_for_room = connection.sent < request.len();
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
    request: &[u8],
    expected: &[u8],
    piece: &mut [u8],
    tally: &mut Tally,
) -> io::Result<()> {
    send(connection, request)?;
    loop {
        match connection.socket.read(piece) {
            Ok(0) => return Err(wrong("the connection was closed")),
            Ok(length) => {
                let bytes = piece.get(..length).unwrap_or_default();
                if take(connection, bytes, expected)? {
                    tally.requests += 1;
                    let took = now().duration_since(connection.began).as_micros();
                    tally.latencies_us.push(u32::try_from(took).unwrap_or(u32::MAX));
                    (connection.sent, connection.body, connection.began) = (0, None, now());
                    return send(connection, request);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn send(connection: &mut Connection, request: &[u8]) -> io::Result<()> {
    while let Some(rest) = request.get(connection.sent..).filter(|rest| !rest.is_empty()) {
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

fn quantile(sorted: &[u32], per_mille: usize) -> u32 {
    let at = sorted.len().saturating_sub(1) * per_mille / 1000;
    sorted.get(at).copied().unwrap_or(0)
}
