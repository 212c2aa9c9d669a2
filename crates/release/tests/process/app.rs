//! What runs inside the processes that the tests start: the launcher, and a small HTTP app.
//!
//! The entries are marked as ignored tests so that only a process started with their name runs them.

use release::target::process::launch::{EXIT_NOT_STARTED, launch};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// The arguments that start this binary as one of the entries; the entry's own follow.
pub(crate) fn reexecuted(entry: &str) -> Vec<String> {
    let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let name = format!("app::{entry}");
    [&own, &name, "--exact", "--ignored", "--nocapture", "--"].map(str::to_owned).to_vec()
}

fn own_arguments() -> Vec<OsString> {
    std::env::args_os().skip_while(|argument| argument != "--").skip(1).collect()
}

#[test]
#[ignore = "entry of a started process"]
fn launcher() {
    let error = launch(&own_arguments());
    eprintln!("{error}");
    std::process::exit(i32::from(EXIT_NOT_STARTED));
}

#[cfg(debug_assertions)]
#[test]
#[ignore = "entry of a started process"]
fn controller() {
    let arguments: Vec<String> =
        own_arguments().into_iter().map(|argument| argument.into_string().unwrap()).collect();
    crate::crashes::controller(&arguments);
}

/// `serve ADDRESS PORT NAME`: answers `/` with its name, `/env` with its environment, `/cwd` with its directory; `/exit`
/// ends it, `/break` makes `/ready` answer 503 and `/mend` 200 again.
#[test]
#[ignore = "entry of a started process"]
fn serve() {
    let arguments: Vec<String> =
        own_arguments().into_iter().map(|argument| argument.into_string().unwrap()).collect();
    let [address, port, name] = arguments.try_into().unwrap();
    println!("{name} begins");
    let listener = TcpListener::bind((address.as_str(), port.parse().unwrap())).unwrap();
    let mut broken = false;
    for stream in listener.incoming() {
        // A probe that only connects sends no request.
        let _ = stream.and_then(|stream| answer(stream, &name, &mut broken));
    }
}

fn answer(mut stream: TcpStream, name: &str, broken: &mut bool) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let head = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = head.split(' ').nth(1).unwrap_or_default();
    let body = match path {
        "/" => name.to_owned(),
        "/env" => std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect(),
        "/cwd" => std::env::current_dir()?.display().to_string(),
        "/exit" => std::process::exit(3),
        "/break" | "/mend" => {
            *broken = path == "/break";
            String::new()
        }
        _ => String::new(),
    };
    let status = if path == "/ready" && *broken { "503 Service Unavailable" } else { "200 OK" };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}
