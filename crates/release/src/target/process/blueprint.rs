//! All that the instances of one environment have in common: the spec, and where things are.

use super::log_file::LogFile;
use super::port::Ports;
use super::record::Records;
use super::resolved::{Resolver, listen_address, reached_at};
use super::session::Session;
use crate::failpoint::{Deed, Failpoints, ProcessStep};
use crate::target::EnvironmentSpec;
use model::target::{ProcessTarget, Target};
use serde_json::json;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Shared by the supervisors of one environment; never changes.
#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    pub(super) spec: EnvironmentSpec,
    pub(super) target: ProcessTarget,
    /// Of all that a running process cannot change: another digest means another process.
    pub(super) digest: String,
    /// Where the instances listen.
    pub(super) address: IpAddr,
    pub(super) records: Records,
    pub(super) ports: Ports,
    /// Program and first arguments that make a session and become the rest of the command.
    pub(super) launcher: Arc<[String]>,
    pub(super) data_dir: PathBuf,
    failpoints: Failpoints,
}

impl Blueprint {
    /// # Errors
    /// When the target is none of ours or its address is no address.
    pub(super) fn new(
        spec: &EnvironmentSpec,
        data_dir: PathBuf,
        launcher: Arc<[String]>,
        ports: Ports,
        failpoints: Failpoints,
    ) -> Result<Blueprint, String> {
        let target = process_target(spec)?;
        Ok(Blueprint {
            spec: spec.clone(),
            target: target.clone(),
            digest: digest(spec, target),
            address: listen_address(target)?,
            records: Records::new(&data_dir, &spec.app, spec.colour),
            ports,
            launcher,
            data_dir,
            failpoints,
        })
    }

    /// Takes a step with an instance; Tealgate can end before it and after it.
    pub(super) async fn step<F: Future>(&self, number: u16, step: ProcessStep, doing: F) -> F::Output {
        let EnvironmentSpec { app, colour, release, .. } = &self.spec;
        let deed = || Deed::Process { instance: format!("{app}/{colour}/{number} of {release}"), step };
        self.failpoints.around(deed, doing).await
    }

    /// Ends the processes of an instance: asks them first, kills what is left after the stop limit.
    ///
    /// # Errors
    /// When something still runs ten seconds after SIGKILL.
    pub(super) async fn end(&self, number: u16, session: &mut Session) -> io::Result<()> {
        let limit = Duration::from_millis(self.target.stop_timeout_ms);
        if self.step(number, ProcessStep::Terminate, session.terminate(limit)).await? {
            return Ok(());
        }
        self.step(number, ProcessStep::Kill, session.kill()).await
    }

    /// Removes the record of an instance of which nothing runs any more, if it still is this one's.
    ///
    /// # Errors
    /// When the directory is not writable.
    pub(super) async fn forget(&self, number: u16, instance: &str) -> io::Result<()> {
        let removing = async { self.records.remove(number, instance) };
        self.step(number, ProcessStep::Forget, removing).await
    }

    pub(super) fn log(&self, number: u16) -> LogFile {
        LogFile::new(&self.data_dir, &self.spec.app, self.spec.colour, number)
    }

    pub(super) fn resolver(&self, number: u16, port: u16) -> Resolver<'_> {
        Resolver::new(&self.spec, &self.target, number, port)
    }

    /// The address at which instances are reached.
    pub(super) fn reached_at(&self) -> IpAddr {
        reached_at(self.address)
    }
}

/// # Errors
/// When the target is none of ours.
pub(super) fn process_target(spec: &EnvironmentSpec) -> Result<&ProcessTarget, String> {
    match &spec.target {
        Target::Process(target) => Ok(target),
        Target::Upstream(_) => Err("the target is upstream, not process".to_owned()),
    }
}

/// The release, the number of instances, readiness, back-off and the stop limit may change around a running process.
fn digest(spec: &EnvironmentSpec, target: &ProcessTarget) -> String {
    let ProcessTarget { command, env, working_dir, address, ports, .. } = target;
    let fixed = json!([spec.version, spec.base_dir, command, env, working_dir, address, ports]).to_string();
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, fixed.as_bytes()))
}
