//! Starts one process: record, launcher, record again, and only then the program.
//!
//! The launcher becomes the program when it is told so, after the second record. If Tealgate ends before, the launcher
//! ends as well (see `launch`): whatever the moment of a crash, no program runs whose process is not recorded.

use super::blueprint::Blueprint;
use super::record::{FORMAT, Record};
use super::session::{INSTANCE_ID, Session};
use crate::failpoint::ProcessStep;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// A process that runs, and what is recorded of it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) session: Session,
    pub(super) record: Record,
}

/// Starts an instance's process, which must then listen on `port`.
///
/// # Errors
/// What is wrong, in words for a person; nothing runs then.
pub(super) async fn start(
    blueprint: &Arc<Blueprint>,
    number: u16,
    port: u16,
    restarts: u32,
) -> Result<Live, String> {
    let shared = Arc::clone(blueprint);
    let (command, mut record) = blocking(move || command(&shared, number, port, restarts)).await?;
    let written = blueprint.step(number, ProcessStep::Record, write(blueprint, number, &record)).await;
    written.map_err(|error| format!("cannot write the instance's record: {error}"))?;
    let spawned = blueprint.step(number, ProcessStep::Spawn, blocking(move || spawn(command))).await;
    let mut launcher = Launcher { child: Some(spawned?) };
    let pid = launcher.pid();
    let session = Session::of_child(pid, &record.instance);
    let session = session.map_err(|error| format!("cannot take hold of process {pid}: {error}"))?;
    record.process = Some(session.mark().clone());
    let marked = blueprint.step(number, ProcessStep::Mark, write(blueprint, number, &record)).await;
    // What is not recorded would be lost at the next restart of Tealgate.
    marked.map_err(|error| format!("cannot record process {pid}: {error}"))?;
    blueprint.step(number, ProcessStep::LetGo, async { launcher.let_go() }).await;
    Ok(Live { session, record })
}

/// A process that waits to become the program. Dropping it ends it.
struct Launcher {
    /// Absent once it was let go.
    child: Option<Child>,
}

impl Launcher {
    fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Tells it to go on. One that has ended already is no error: whoever watches it will see that.
    ///
    /// Dropping the handle of the child neither waits for it nor ends it: [`Session`] does.
    fn let_go(&mut self) {
        if let Some(mut pipe) = self.child.take().and_then(|mut child| child.stdin.take()) {
            let _ = pipe.write_all(b"\n");
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It is our child and was not waited for, so its pid is still its own.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(work).await.map_err(|error| error.to_string())?
}

async fn write(blueprint: &Arc<Blueprint>, number: u16, record: &Record) -> io::Result<()> {
    let (shared, kept) = (Arc::clone(blueprint), record.clone());
    spawn_blocking(move || shared.records.write(number, &kept)).await.map_err(io::Error::other)?
}

/// What is to be run, its log already open, and the record of the instance before it has a process.
fn command(
    blueprint: &Blueprint,
    number: u16,
    port: u16,
    restarts: u32,
) -> Result<(Command, Record), String> {
    let resolver = blueprint.resolver(number, port);
    let resolved = resolver.resolve()?;
    let record = new_record(blueprint, number, port, restarts)?;
    let mut variables = resolver.variables()?;
    variables.set(INSTANCE_ID, record.instance.as_str());
    let log = blueprint.log(number);
    let cannot_log = |error| format!("cannot open the log {}: {error}", log.path().display());
    let stdout = log.open(&blueprint.spec.release).map_err(cannot_log)?;
    let stderr = stdout.try_clone().map_err(cannot_log)?;
    let (launcher, first) = blueprint.launcher.split_first().ok_or("no launcher is set")?;
    let mut command = Command::new(launcher);
    command
        .args(first)
        .arg(&resolved.program)
        .args(&resolved.arguments)
        .env_clear()
        .envs(variables.reveal())
        .current_dir(&resolved.working_dir)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(stderr);
    Ok((command, record))
}

fn spawn(mut command: Command) -> Result<Child, String> {
    command
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().to_string_lossy()))
}

fn new_record(blueprint: &Blueprint, number: u16, port: u16, restarts: u32) -> Result<Record, String> {
    let spec = &blueprint.spec;
    let unique = getrandom::u64().map_err(|error| format!("no random number: {error}"))?;
    Ok(Record {
        format: FORMAT,
        instance: format!("{}-{}-{number}-{}-{unique:016x}", spec.app, spec.colour, spec.release),
        release: spec.release.clone(),
        version: spec.version.clone(),
        digest: blueprint.digest.clone(),
        port,
        restarts,
        process: None,
    })
}
