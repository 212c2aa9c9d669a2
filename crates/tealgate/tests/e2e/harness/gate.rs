//! `tealgate serve` as a process.

use super::admin::Admin;
use super::client;
use super::kept_ports::KeptPorts;
use super::processes::pid_of;
use super::world::World;
use crate::clock;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The binary under test.
pub(crate) const TEALGATE: &str = env!("CARGO_BIN_EXE_tealgate");

/// Its command with no variable of the person who runs the tests.
pub(crate) fn tealgate() -> Command {
    tealgate_of(TEALGATE.as_ref())
}

fn tealgate_of(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in
        ["TEALGATE_SERVER", "TEALGATE_CONFIG", "TEALGATE_DATA_DIR", "TEALGATE_ADMIN_KEY", "NOTIFY_SOCKET"]
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// The same by a shell that does something before it becomes the program.
fn by_shell(program: &Path, first: &str) -> Command {
    let mut command = tealgate_of("/bin/sh".as_ref());
    command.arg("-c").arg(format!("{first}\nexec \"$0\" \"$@\"")).arg(program);
    command
}

/// Its command under a service manager that passes sockets: descriptors from 3 on, and the process id, which only a program
/// between us and it can know.
fn managed(program: &Path, passed: &[TcpListener]) -> Command {
    let first = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_PID=$$";
    let mut command = by_shell(program, first);
    command.stdout(Stdio::null());
    command.env("LISTEN_FDS", passed.len().to_string()).env("LISTEN_FDNAMES", "first:second");
    let mut descriptors = passed.iter().map(|socket| Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    if let Some(first) = descriptors.next() {
        command.stdin(first);
    }
    if let Some(second) = descriptors.next() {
        command.stdout(second);
    }
    assert!(descriptors.next().is_none());
    command
}

/// How a server is started.
pub(crate) struct Start {
    program: PathBuf,
    /// What a shell does before it becomes the program; `None`: there is no shell.
    first: Option<String>,
    data_dir: PathBuf,
    log: PathBuf,
    role: &'static str,
    listen: String,
    admin: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    passed: Vec<TcpListener>,
    kept: Option<Arc<KeptPorts>>,
}

impl Start {
    /// On the world's data directory, all ports free ones.
    pub(crate) fn new(world: &World) -> Start {
        static STARTS: AtomicU32 = AtomicU32::new(0);
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let any = || "127.0.0.1:0".to_owned();
        Start {
            program: TEALGATE.into(),
            first: None,
            data_dir: world.data_dir(),
            log: world.path().join(format!("serve-{number}.log")),
            role: "all",
            listen: any(),
            admin: any(),
            arguments: Vec::new(),
            environment: Vec::new(),
            passed: Vec::new(),
            kept: None,
        }
    }

    /// On another data directory.
    pub(crate) fn elsewhere(world: &World, data_dir: &str) -> Start {
        Start { data_dir: data_dir.into(), ..Start::new(world) }
    }

    /// With another copy of the binary.
    pub(crate) fn program(self, program: PathBuf) -> Start {
        Start { program, ..self }
    }

    /// By a shell, which does this before.
    pub(crate) fn after(self, first: String) -> Start {
        Start { first: Some(first), ..self }
    }

    pub(crate) fn role(self, role: &'static str) -> Start {
        Start { role, ..self }
    }

    /// On ports that nobody else gets, so that the next one can be where this one was.
    pub(crate) fn staying(self) -> Start {
        self.on(Arc::new(KeptPorts::new()))
    }

    fn on(self, kept: Arc<KeptPorts>) -> Start {
        let (listen, admin) = (kept.gateway.to_string(), kept.admin.to_string());
        Start { listen, admin, kept: Some(kept), ..self }
    }

    /// Where another one was that was to stay, for a restart that its clients do not notice.
    pub(crate) fn where_it_was(self, gate: &Gate) -> Start {
        let kept =
            gate.kept.as_ref().expect("the one before was not `staying`: its ports may be somebody else's");
        self.on(Arc::clone(kept))
    }

    /// With more arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Start {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Start {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Passes sockets as a service manager does; at most two, and they stay open here.
    pub(crate) fn passed(mut self, sockets: &[&TcpListener]) -> Start {
        self.passed.extend(sockets.iter().map(|socket| socket.try_clone().unwrap()));
        self
    }

    fn command(&self) -> Command {
        let mut command = match &self.first {
            _ if !self.passed.is_empty() => managed(&self.program, &self.passed),
            Some(first) => by_shell(&self.program, first),
            None => tealgate_of(&self.program),
        };
        if self.passed.is_empty() {
            command.stdout(Stdio::null());
        }
        command.arg("serve");
        let data_dir = self.data_dir.display().to_string();
        let usual = [
            ("--role", self.role),
            ("--threads", "2"),
            ("--data-dir", &data_dir),
            ("--listen", &self.listen),
            ("--admin", &self.admin),
            ("--admin-tls", "127.0.0.1:0"),
        ];
        for (flag, value) in usual {
            // clap refuses a flag that is given twice.
            if !self.arguments.iter().any(|argument| argument == flag) {
                command.args([flag, value]);
            }
        }
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(self) -> Gate {
        let log = File::create(&self.log).unwrap();
        let child = self.command().stderr(log).spawn().unwrap();
        let mut gate =
            Gate { child, running: Value::Null, data_dir: self.data_dir, log: self.log, kept: self.kept };
        let log = gate.log.clone();
        clock::until("a ready server", async || gate.is_ready().await, || read(&log)).await;
        gate
    }

    /// Starts it and does not wait for anything: it may end at any moment.
    pub(crate) fn launched(self) -> Gate {
        let log = File::create(&self.log).unwrap();
        let child = self.command().stderr(log).spawn().unwrap();
        Gate { child, running: Value::Null, data_dir: self.data_dir, log: self.log, kept: self.kept }
    }

    /// Starts it beside one that has left word in the data directory, and waits until it says that it is up.
    pub(crate) async fn up(self) -> Gate {
        let log = File::create(&self.log).unwrap();
        let child = self.command().stderr(log).spawn().unwrap();
        let gate =
            Gate { child, running: Value::Null, data_dir: self.data_dir, log: self.log, kept: self.kept };
        gate.logged(" is up (").await;
        gate
    }

    /// Starts what must not start: waits for its end; its exit code and stderr.
    pub(crate) async fn refused(self) -> (Option<i32>, String) {
        let log = File::create(&self.log).unwrap();
        let child = self.command().stderr(log).spawn().unwrap();
        let mut gate =
            Gate { child, running: Value::Null, data_dir: self.data_dir, log: self.log, kept: self.kept };
        let status = gate.end().await;
        (status.code(), gate.log())
    }
}

/// A running server. It is killed when it is dropped; what it wrote must not tell of a panic.
pub(crate) struct Gate {
    child: Child,
    running: Value,
    data_dir: PathBuf,
    log: PathBuf,
    kept: Option<Arc<KeptPorts>>,
}

impl Gate {
    /// With everything as it is by default.
    pub(crate) async fn start(world: &World) -> Gate {
        Start::new(world).ready().await
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Whether it says that it is ready; it may be over before it has said so.
    pub(crate) async fn answers(&mut self) -> bool {
        self.ended().is_none() && self.says_ready().await
    }

    async fn is_ready(&mut self) -> bool {
        assert_eq!(self.child.try_wait().unwrap(), None, "it ended:\n{}", read(&self.log));
        self.says_ready().await
    }

    async fn says_ready(&mut self) -> bool {
        // `running.json` of a process that was killed is still there: the pid tells.
        let text = std::fs::read(self.data_dir.join("running.json")).unwrap_or_default();
        let Ok(running) = serde_json::from_slice::<Value>(&text) else { return false };
        if running["pid"] != self.child.id() {
            return false;
        }
        self.running = running;
        let answer = client::try_get(self.admin_address(), "/status/ready").await;
        answer.is_some_and(|answer| answer.status == 200)
    }

    fn address(&self, pointer: &str) -> SocketAddr {
        self.running.pointer(pointer).and_then(Value::as_str).unwrap().parse().unwrap()
    }

    /// Where requests go.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.address("/listen/0")
    }

    /// Where requests go over TLS.
    pub(crate) fn tls(&self) -> SocketAddr {
        self.address("/tls_listen/0")
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.address("/admin")
    }

    pub(crate) fn admin_tls_address(&self) -> SocketAddr {
        self.address("/admin_tls")
    }

    /// The generated admin key.
    pub(crate) fn key(&self) -> String {
        let text = std::fs::read(self.data_dir.join("admin-keys.json")).unwrap();
        let keys: Value = serde_json::from_slice(&text).unwrap();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["role"] == "admin").unwrap();
        key["key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::new(self.admin_address(), self.key())
    }

    pub(crate) fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stderr.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    pub(crate) async fn logged(&self, text: &str) {
        clock::until(text, async || self.log().contains(text), || self.log()).await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid_of(&self.child), signal).unwrap();
    }

    /// SIGKILL, as a crash: no code of its own runs any more.
    pub(crate) fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let mut status = None;
        let (child, log) = (&mut self.child, &self.log);
        let ended = async || {
            status = child.try_wait().unwrap();
            status.is_some()
        };
        clock::until("the end of the server", ended, || read(log)).await;
        status.unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- {}\n{log}", self.log.display());
        } else {
            assert!(!log.contains("panicked"), "a panic in the server:\n{log}");
        }
    }
}

fn read(path: &std::path::Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
