//! What an earlier Tealgate left of an instance: its process is adopted, or there is nothing of it.

use super::blueprint::Blueprint;
use super::record::Record;
use super::session::{self, Session};
use super::start::Live;
use crate::failpoint::ProcessStep;
use std::io;

/// What was found of an instance.
#[derive(Debug)]
pub(super) enum Claim {
    /// Its process runs.
    Live(Box<Live>),
    /// Nothing of it runs, and nothing is left of it that could hold its port, which is told if it had one.
    Gone(Option<u16>),
}

/// Looks for the process of a recorded instance.
///
/// # Errors
/// When the record cannot be read, or a left-over process cannot be ended.
pub(super) async fn claim(blueprint: &Blueprint, number: u16) -> io::Result<Claim> {
    let Some(record) = blueprint.records.read(number)? else { return Ok(Claim::Gone(None)) };
    // Where Tealgate ended before the process was recorded, there is none that has become the program.
    if let Some(mark) = &record.process {
        let adopting = async { Session::adopt(mark, &record.instance) };
        if let Some(session) = blueprint.step(number, ProcessStep::Adopt, adopting).await? {
            return Ok(Claim::Live(Box::new(Live { session, record })));
        }
    }
    if is_of_this_boot(&record)? {
        blueprint.step(number, ProcessStep::Sweep, session::sweep(&record.instance)).await?;
    }
    Ok(Claim::Gone(Some(record.port)))
}

/// Whether the recorded process runs: the same one, not only its pid.
pub(super) fn runs(record: &Record) -> bool {
    let adopted = record.process.as_ref().map(|mark| Session::adopt(mark, &record.instance));
    matches!(adopted, Some(Ok(Some(_))))
}

fn is_of_this_boot(record: &Record) -> io::Result<bool> {
    let boot_id = super::proc_fs::boot_id()?;
    Ok(record.process.as_ref().is_none_or(|mark| mark.boot_id == boot_id))
}
