//! `bench-h2 PORT WORKLOAD SECONDS CONNECTIONS STREAMS PID,PID,...`: the closed-loop load generator for HTTP/2 with
//! prior knowledge: so many connections, each with so many streams open at all times. For workloads without a body.
#![forbid(unsafe_code)]

use bench::arguments::Arguments;
use bench::clock;
use bench::keys::{self, Keys};
use bench::spin::{self, SharedTally};
use bench::workload::Workload;
use h2::client::SendRequest;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// More than any workload's body: flow control is not what is measured.
const WINDOW_BYTES: u32 = 1024 * 1024;

fn main() -> io::Result<()> {
    let arguments = Arguments::read("bench-h2 PORT WORKLOAD SECONDS CONNECTIONS STREAMS PID,PID,...", true)?;
    let Arguments { port, workload, connections, streams, .. } = arguments;
    let report = spin::measure(arguments.time, &arguments.processes, async |tally| {
        let expected: Rc<[u8]> = workload.response_body().into();
        for number in 0..connections {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            socket.set_nodelay(true)?;
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES * 8);
            let (sender, connection) =
                builder.handshake::<_, &[u8]>(socket).await.map_err(io::Error::other)?;
            spawn_local(async { _ = connection.await });
            for stream in 0..streams {
                let task = Task {
                    sender: sender.clone(),
                    keys: Keys::of(number * streams + stream),
                    port,
                    workload,
                };
                spawn_local(drive(task, Rc::clone(&expected), Rc::clone(&tally)));
            }
        }
        Ok(())
    })?;
    println!("{report}");
    Ok(())
}

/// One of the streams that are open at all times.
struct Task {
    sender: SendRequest<&'static [u8]>,
    keys: Keys,
    port: u16,
    workload: Workload,
}

/// Sends one request after the other.
async fn drive(mut task: Task, expected: Rc<[u8]>, tally: SharedTally) {
    loop {
        let began = clock::now();
        match ask(&mut task, &expected).await {
            Ok(()) => tally.borrow_mut().whole(began),
            Err(error) => {
                if !tally.borrow_mut().failed(&error) {
                    return;
                }
                // A connection that is lost fails at once, again and again.
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn ask(task: &mut Task, expected: &[u8]) -> io::Result<()> {
    let mut request = http::Request::builder()
        .method(task.workload.method())
        .uri(format!("http://127.0.0.1:{}{}", task.port, task.workload.path()))
        .header(keys::HEADER, task.keys.next_key());
    for (name, value) in task.workload.fields() {
        request = request.header(*name, *value);
    }
    let request = request.body(()).map_err(io::Error::other)?;
    let mut sender = task.sender.clone().ready().await.map_err(io::Error::other)?;
    let (response, _) = sender.send_request(request, true).map_err(io::Error::other)?;
    let response = response.await.map_err(io::Error::other)?;
    if response.status() != http::StatusCode::OK {
        return Err(io::Error::other(format!("the status is {}", response.status())));
    }
    let (mut body, mut so_far) = (response.into_body(), 0);
    while let Some(data) = body.data().await {
        let data = data.map_err(io::Error::other)?;
        if expected.get(so_far..so_far + data.len()) != Some(&data[..]) {
            return Err(io::Error::other("the body is another one"));
        }
        so_far += data.len();
        body.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
    }
    if so_far == expected.len() { Ok(()) } else { Err(io::Error::other("the body is cut short")) }
}
