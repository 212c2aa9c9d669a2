//! All that the instances of one environment have in common: the spec, and where things are.

use super::log_file::LogFile;
use super::port::Ports;
use super::record::Records;
use super::resolved::{Resolver, listen_address, reached_at};
use crate::target::EnvironmentSpec;
use model::target::{ProcessTarget, Target};
use serde_json::json;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

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
}

impl Blueprint {
    /// # Errors
    /// When the target is none of ours or its address is no address.
    pub(super) fn new(
        spec: &EnvironmentSpec,
        data_dir: PathBuf,
        launcher: Arc<[String]>,
        ports: Ports,
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
        })
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
