//! A data directory, a driver on it, and questions to what it runs. Nothing of it outlives a test.

use crate::app::reexecuted;
use model::colour::Colour;
use model::target::{Probe, ProcessTarget, Readiness, Restart, Target};
use release::clock;
use release::target::process::{INSTANCE_ID, ProcessDriver};
use release::target::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longest that a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) driver: ProcessDriver,
}

impl World {
    pub(crate) fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        let driver = driver(directory.path());
        World { directory, driver }
    }

    /// A later Tealgate on the same data directory; the earlier one is gone.
    pub(crate) fn restart(&mut self) {
        self.driver = driver(self.directory.path());
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn up(&self, spec: &EnvironmentSpec) -> EnvironmentStatus {
        self.driver.provision(spec).await.unwrap();
        self.until(spec, |status| status.ready).await
    }

    pub(crate) async fn until(
        &self,
        spec: &EnvironmentSpec,
        seen: impl Fn(&EnvironmentStatus) -> bool,
    ) -> EnvironmentStatus {
        let mut last = EnvironmentStatus::default();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                last = self.driver.observe(spec).await;
                if seen(&last) {
                    return;
                }
                clock::pause(Duration::from_millis(5)).await;
            }
        });
        if waited.await.is_err() {
            panic!("did not come: {last:#?}; log: {:#?}", self.driver.last_log_lines(spec, 20).await);
        }
        last
    }

    /// Waits until the instance has logged a line that begins like this; its rest. (This test's own binary and the
    /// shell log lines, too.)
    pub(crate) async fn logged(&self, spec: &EnvironmentSpec, beginning: &str) -> String {
        let logged = tokio::time::timeout(PATIENCE, async {
            loop {
                let lines = self.driver.last_log_lines(spec, 100).await;
                if let Some(rest) = lines.iter().find_map(|line| line.strip_prefix(beginning)) {
                    return rest.to_owned();
                }
                clock::pause(Duration::from_millis(5)).await;
            }
        });
        logged.await.unwrap_or_else(|_| panic!("no line begins with {beginning:?}"))
    }

    pub(crate) fn record_path(&self, colour: Colour, number: u16) -> PathBuf {
        self.directory.path().join(format!("environments/shop/{colour}/{number}.json"))
    }

    pub(crate) fn recorded(&self, colour: Colour, number: u16) -> Option<Recorded> {
        let record: Value =
            serde_json::from_slice(&std::fs::read(self.record_path(colour, number)).ok()?).unwrap();
        let pid = record["process"]["pid"].as_u64().map(|pid| u32::try_from(pid).unwrap());
        Some(Recorded { instance: record["instance"].as_str().unwrap().to_owned(), pid })
    }

    pub(crate) fn change_record(&self, colour: Colour, number: u16, change: impl FnOnce(&mut Value)) {
        let path = self.record_path(colour, number);
        let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut record);
        std::fs::write(path, record.to_string()).unwrap();
    }
}

/// What stands on disk of an instance.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) instance: String,
    /// Absent until its process is known.
    pub(crate) pid: Option<u32>,
}

impl Drop for World {
    fn drop(&mut self) {
        for colour in Colour::BOTH {
            for number in 0..8 {
                let Ok(bytes) = std::fs::read(self.record_path(colour, number)) else { continue };
                let record: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                // By the id, not the pid: it may not be recorded yet, and a test may have written a stranger's.
                let id = record["instance"].as_str().map(|id| format!("{INSTANCE_ID}={id}"));
                for pid in id.map(|id| carrying(&id)).unwrap_or_default() {
                    let _ = kill_process(as_pid(pid), Signal::KILL);
                }
            }
        }
    }
}

fn driver(data_dir: &Path) -> ProcessDriver {
    ProcessDriver::new(data_dir.to_owned(), reexecuted("launcher"))
}

/// One instance of the app of these tests, blue, version `v1`, asked over HTTP, quick in everything.
pub(crate) fn spec() -> EnvironmentSpec {
    let mut command = reexecuted("serve");
    command.extend(["{address}", "{port}", "{version}-{colour}-{instance}"].map(str::to_owned));
    EnvironmentSpec {
        app: "shop".to_owned(),
        colour: Colour::Blue,
        version: "v1".to_owned(),
        release: "r1".to_owned(),
        target: Target::Process(ProcessTarget {
            command,
            env: Default::default(),
            working_dir: None,
            instances: 1,
            address: "127.0.0.1".to_owned(),
            ports: None,
            readiness: Readiness {
                probe: Probe::Http { path: "/ready".to_owned(), statuses: vec![200] },
                interval_ms: 10,
                ..Readiness::default()
            },
            restart: Restart { backoff_min_ms: 5, backoff_max_ms: 40, ..Restart::default() },
            stop_timeout_ms: 10_000,
            upstream: None,
        }),
        base_dir: "/".to_owned(),
    }
}

pub(crate) fn target(spec: &mut EnvironmentSpec) -> &mut ProcessTarget {
    match &mut spec.target {
        Target::Process(target) => target,
        Target::Upstream(_) => panic!("the spec of these tests is a process"),
    }
}

/// The spec with another program: a shell script.
pub(crate) fn script(text: &str) -> EnvironmentSpec {
    let mut spec = spec();
    target(&mut spec).command = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    target(&mut spec).readiness.probe = Probe::Tcp {};
    spec
}

/// The app with SIGTERM ignored, which a program inherits.
pub(crate) fn deaf_to_sigterm() -> EnvironmentSpec {
    let mut spec = spec();
    let command = &mut target(&mut spec).command;
    let shell = ["/bin/sh", "-c", "trap '' TERM; exec \"$@\"", "sh"].map(str::to_owned);
    command.splice(0..0, shell);
    spec
}

pub(crate) fn pid(status: &EnvironmentStatus, number: usize) -> u32 {
    status.instances[number].pid.unwrap()
}

/// GET on an instance; the body.
pub(crate) async fn get(status: &EnvironmentStatus, number: usize, path: &str) -> String {
    let instance = &status.instances[number];
    let mut stream = tokio::net::TcpStream::connect((instance.host.as_str(), instance.port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // An app that exits cuts the connection.
    let _ = stream.read_to_string(&mut answer).await;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Whether any thread of a process runs; a zombie does not. (Another than the first may hold the port a little longer.)
pub(crate) fn runs(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.into_iter().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    })
}

pub(crate) async fn until_gone(pid: u32) {
    let gone = tokio::time::timeout(PATIENCE, async {
        while runs(pid) {
            clock::pause(Duration::from_millis(5)).await;
        }
    });
    gone.await.unwrap_or_else(|_| panic!("process {pid} still runs"));
}

/// The processes that were started with this in their environment.
fn carrying(variable: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let carries = |pid: &u32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    pids.filter(carries).collect()
}

pub(crate) fn kill(pid: u32) {
    kill_process(as_pid(pid), Signal::KILL).unwrap();
}

pub(crate) fn as_pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}
