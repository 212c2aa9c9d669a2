//! Starts one process: log, record, launcher. The record is written before and after (see `record`).

use super::blueprint::Blueprint;
use super::record::{FORMAT, Record};
use super::session::{INSTANCE_ID, Session};
use std::io;
use std::process::{Command, Stdio};
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
    let begun = spawn_blocking(move || begin(&shared, number, port, restarts)).await;
    let (pid, mut record) = begun.map_err(|error| error.to_string())??;
    let session = Session::of_child(pid, &record.instance);
    let mut session = session.map_err(|error| format!("cannot take hold of process {pid}: {error}"))?;
    record.process = Some(session.mark().clone());
    let (shared, kept) = (Arc::clone(blueprint), record.clone());
    let written = spawn_blocking(move || shared.records.write(number, &kept)).await;
    if let Err(error) = written.map_err(io::Error::other).flatten() {
        // What is not recorded would be lost at the next restart of Tealgate.
        let _ = session.kill().await;
        return Err(format!("cannot record process {pid}: {error}"));
    }
    Ok(Live { session, record })
}

fn begin(blueprint: &Blueprint, number: u16, port: u16, restarts: u32) -> Result<(u32, Record), String> {
    let resolver = blueprint.resolver(number, port);
    let resolved = resolver.resolve()?;
    let record = new_record(blueprint, number, port, restarts)?;
    let mut variables = resolver.variables()?;
    variables.set(INSTANCE_ID, record.instance.as_str());
    let write = blueprint.records.write(number, &record);
    write.map_err(|error| format!("cannot write the instance's record: {error}"))?;
    let log = blueprint.log(number);
    let cannot_log = |error| format!("cannot open the log {}: {error}", log.path().display());
    let stdout = log.open(&blueprint.spec.release).map_err(cannot_log)?;
    let stderr = stdout.try_clone().map_err(cannot_log)?;
    let (launcher, first) = blueprint.launcher.split_first().ok_or("no launcher is set")?;
    let child = Command::new(launcher)
        .args(first)
        .arg(&resolved.program)
        .args(&resolved.arguments)
        .env_clear()
        .envs(variables.reveal())
        .current_dir(&resolved.working_dir)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(|error| format!("cannot run {launcher}: {error}"))?;
    // Dropping the handle neither waits for the child nor ends it: `Session` does.
    Ok((child.id(), record))
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
