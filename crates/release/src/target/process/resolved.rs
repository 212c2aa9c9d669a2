//! The spec of an environment made concrete for one instance: placeholders replaced, paths absolute. Holds no secret.

use crate::target::EnvironmentSpec;
use crate::target::program;
use crate::target::variables::Variables;
use model::target::placeholders::{Values, expand};
use model::target::{Probe, ProcessTarget};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// One instance, ready to be started.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The program's file.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Where it runs.
    pub(super) working_dir: PathBuf,
}

/// The values that placeholders stand for, and what they are replaced in.
#[derive(Clone, Debug)]
pub(super) struct Resolver<'a> {
    spec: &'a EnvironmentSpec,
    target: &'a ProcessTarget,
    number: u16,
    port: u16,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(spec: &'a EnvironmentSpec, target: &'a ProcessTarget, number: u16, port: u16) -> Self {
        Resolver { spec, target, number, port }
    }

    /// The program, without its environment variables.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub(super) fn resolve(&self) -> Result<Resolved, String> {
        let base_dir = self.base_dir();
        let mut arguments = self.expand_all("command", &self.target.command)?;
        if arguments.is_empty() {
            return Err("command is empty; it needs a program".to_owned());
        }
        let program =
            program::find(&arguments.remove(0), &base_dir).map_err(|why| format!("command: {why}"))?;
        Ok(Resolved { program, arguments, working_dir: self.working_dir()? })
    }

    /// The directory of the configuration file, else `/`.
    pub(super) fn base_dir(&self) -> PathBuf {
        Path::new("/").join(&self.spec.base_dir)
    }

    /// Where the instance runs.
    ///
    /// # Errors
    /// When it does not exist.
    pub(super) fn working_dir(&self) -> Result<PathBuf, String> {
        let Some(text) = &self.target.working_dir else { return Ok(self.base_dir()) };
        let directory = self.base_dir().join(self.expand("working_dir", text)?);
        match std::fs::metadata(&directory) {
            Ok(found) if found.is_dir() => Ok(directory),
            Ok(_) => Err(format!("working_dir: {} is no directory", directory.display())),
            Err(error) => Err(format!("working_dir: {}: {error}", directory.display())),
        }
    }

    /// The environment variables, secrets resolved; without the instance's id.
    ///
    /// # Errors
    /// Names the variable and what is wrong with it.
    pub(super) fn variables(&self) -> Result<Variables, String> {
        Variables::resolve(&self.target.env, &self.base_dir(), |text| self.expand_text(text))
    }

    /// The readiness question.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub(super) fn probe(&self) -> Result<Probe, String> {
        Ok(match &self.target.readiness.probe {
            Probe::Tcp {} => Probe::Tcp {},
            Probe::Http { path, statuses } => {
                let path = self.expand("readiness.probe.http.path", path)?;
                if !path.starts_with('/') || path.parse::<http::Uri>().is_err() {
                    return Err(format!(
                        "readiness.probe.http.path: {path:?} is no path; it begins with \"/\""
                    ));
                }
                Probe::Http { path, statuses: statuses.clone() }
            }
            Probe::Command { command } => {
                let field = "readiness.probe.command.command";
                let command = self.expand_all(field, command)?;
                let name = command.first().map(String::as_str).unwrap_or_default();
                program::find(name, &self.working_dir()?).map_err(|why| format!("{field}: {why}"))?;
                Probe::Command { command }
            }
        })
    }

    fn expand_all(&self, field: &str, texts: &[String]) -> Result<Vec<String>, String> {
        texts.iter().map(|text| self.expand(field, text)).collect()
    }

    fn expand(&self, field: &str, text: &str) -> Result<String, String> {
        let text = self.expand_text(text).map_err(|error| format!("{field}: {error}"))?;
        if text.contains('\0') { Err(format!("{field}: holds a NUL byte")) } else { Ok(text) }
    }

    fn expand_text(&self, text: &str) -> Result<String, String> {
        // The number, not the id of this one start: it is the same after a restart, so that a directory can be named by it.
        let number = self.number.to_string();
        let values = Values {
            port: self.port,
            address: &self.target.address,
            version: &self.spec.version,
            colour: self.spec.colour,
            instance: &number,
        };
        expand(text, &values).map_err(|error| error.to_string())
    }
}

/// The address on which the instances listen.
///
/// # Errors
/// When it is no IP address.
pub(super) fn listen_address(target: &ProcessTarget) -> Result<IpAddr, String> {
    let address = &target.address;
    address
        .parse()
        .map_err(|_| format!("address: {address:?} is no IP address; \"127.0.0.1\" is the default"))
}

/// The address at which an instance is reached: one that listens everywhere is reached over loopback.
pub(super) fn reached_at(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    }
}
