//! The sample app as the demo uses it: what it answers, what its ledger says, how it ends.

#![allow(clippy::unwrap_used, clippy::zombie_processes, reason = "a test may fail by a panic")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

struct App {
    child: Child,
    address: String,
    _stderr: BufReader<ChildStderr>,
}

impl App {
    fn start(ledger: &Path, more: &[&str]) -> App {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tealgate"))
            .args(["sample-app", "--port", "0", "--version", "v2", "--colour", "green", "--ledger"])
            .arg(ledger)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        App { child, address, _stderr: stderr }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Status line and headers, and the body.
    fn ask(&self, method: &str, path: &str, id: &str, body: &str) -> (String, String) {
        let mut socket = self.connect();
        send(&mut socket, method, path, id, body);
        answer(&mut socket)
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(socket: &mut TcpStream, method: &str, path: &str, id: &str, body: &str) {
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nHost: t\r\nX-Request-Id: {id}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
}

fn answer(socket: &mut TcpStream) -> (String, String) {
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn it_echoes_what_it_got_and_says_who_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::start(&directory.path().join("ledger"), &[]);
    let (head, body) = app.ask("POST", "/orders?x=1", "id-1", "hello");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("x-version: v2"), "{head}");
    let echo: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&echo["id"], &echo["path"], &echo["body_bytes"]),
        (&"id-1".into(), &"/orders".into(), &5.into())
    );
    let (_, body) = app.ask("POST", "/echo", "id-2", "hello");
    assert_eq!(body, load::echo::first_line("id-2", crc32fast::hash(b"hello")));
}

#[test]
fn a_broken_version_is_healthy_and_fails_for_users() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::start(&directory.path().join("ledger"), &["--fail-rate", "0.5"]);
    let statuses: Vec<bool> =
        (0..10).map(|n| app.ask("GET", "/x", &n.to_string(), "").0.starts_with("HTTP/1.1 500")).collect();
    assert_eq!(statuses.iter().filter(|failed| **failed).count(), 5);
    assert!(app.ask("GET", "/healthz", "probe", "").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_request_in_flight_at_sigterm_is_finished_and_in_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let mut app = App::start(&path, &[]);
    let mut socket = app.connect();
    send(&mut socket, "POST", "/slow?slow_ms=300&bytes=50000", "slow-1", "x");
    let mut first = [0_u8; 1];
    socket.read_exact(&mut first).unwrap();
    app.terminate();
    let (_, body) = answer(&mut socket);
    assert!(body.contains("\"padding\"") && body.contains("xxx"));
    assert_eq!(app.child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "slow-1 1\n");
}

#[test]
fn a_version_that_tells_numbers_as_text_is_right_by_its_status() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, is_text) in [(&[][..], false), (&["--numbers-as-text"][..], true)] {
        let app = App::start(&directory.path().join("ledger"), arguments);
        let (head, body) = app.ask("GET", "/cart", "a", "");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let echo: Value = serde_json::from_str(&body).unwrap();
        for member in ["body_bytes", "served_at_us"] {
            assert_eq!(echo[member].is_string(), is_text, "{echo}");
        }
    }
}

#[test]
fn a_version_can_say_that_its_json_is_text() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, says) in [(&[][..], "application/json"), (&["--json-as-text"][..], "text/plain")] {
        let app = App::start(&directory.path().join("ledger"), arguments);
        let (head, body) = app.ask("GET", "/cart", "a", "");
        assert!(head.to_lowercase().contains(&format!("content-type: {says}")), "{head}");
        assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}");
    }
}

#[test]
fn its_ledger_tells_duplicates() {
    let directory = tempfile::tempdir().unwrap();
    let app = App::start(&directory.path().join("ledger"), &[]);
    for id in ["a", "b", "a"] {
        app.ask("POST", "/x", id, "");
    }
    let (_, account) = app.ask("GET", "/__ledger", "", "");
    let account: Value = serde_json::from_str(&account).unwrap();
    assert_eq!((&account["requests"], &account["duplicated"]), (&3.into(), &1.into()));
}
