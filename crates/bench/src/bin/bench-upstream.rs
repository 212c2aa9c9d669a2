//! `bench-upstream PORT`: answers every workload from memory, on one thread, without ever sleeping.
#![forbid(unsafe_code)]

use bench::message;
use bench::poller::{Poller, Sleep};
use bench::workload::Workload;
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

const LISTENER: usize = usize::MAX - 1;

struct Connection {
    socket: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Whether it is also watched for room.
    waits_for_room: bool,
}

impl Connection {
    fn new(socket: TcpStream) -> Connection {
        Connection { socket, input: Vec::new(), output: Vec::new(), waits_for_room: false }
    }
}

fn main() -> io::Result<()> {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "usage: bench-upstream PORT"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let responses: Vec<(Vec<u8>, Vec<u8>)> =
        Workload::ALL.iter().map(|workload| (workload.path().into_bytes(), workload.response())).collect();
    let mut poller = Poller::new()?;
    poller.add(&listener, LISTENER)?;
    let mut connections: HashMap<usize, Connection> = HashMap::new();
    let mut next = 0;
    let mut numbers = Vec::new();
    println!("ready");
    loop {
        poller.wait(Sleep::Never, &mut numbers)?;
        for &number in &numbers {
            if number == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    poller.add(&socket, next)?;
                    connections.insert(next, Connection::new(socket));
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&number) {
                if !serve(connection, &responses) {
                    connections.remove(&number);
                } else if connection.waits_for_room == connection.output.is_empty() {
                    connection.waits_for_room = !connection.waits_for_room;
                    poller.watch(&connection.socket, number, true, connection.waits_for_room)?;
                }
            }
        }
    }
}

/// Reads what is there and answers what is whole; false when the connection is over.
fn serve(connection: &mut Connection, responses: &[(Vec<u8>, Vec<u8>)]) -> bool {
    let mut piece = [0_u8; 32 * 1024];
    loop {
        match connection.socket.read(&mut piece) {
            Ok(0) => return false,
            Ok(length) => {
                connection.input.extend_from_slice(piece.get(..length).unwrap_or_default());
                if length < piece.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    let mut done = 0;
    while let Some(rest) = connection.input.get(done..) {
        let Some(head) = message::head(rest) else { break };
        if rest.len() < head.length + head.body_length {
            break;
        }
        let path = rest.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let Some((_, response)) = responses.iter().find(|(known, _)| known == path) else { return false };
        connection.output.extend_from_slice(response);
        done += head.length + head.body_length;
    }
    connection.input.drain(..done);
    flush(connection)
}

fn flush(connection: &mut Connection) -> bool {
    while !connection.output.is_empty() {
        match connection.socket.write(&connection.output) {
            Ok(0) => return false,
            Ok(length) => {
                connection.output.drain(..length);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}
