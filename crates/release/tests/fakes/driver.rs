//! Environments that only say that they run.

use async_trait::async_trait;
use model::colour::Colour;
use release::target::{
    EnvironmentDriver, EnvironmentSpec, EnvironmentStatus, InstanceState, InstanceStatus, TargetError,
};
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
pub(crate) struct FakeDriver {
    running: Mutex<BTreeMap<Colour, (EnvironmentSpec, u16)>>,
    /// Versions that cannot be started.
    pub(crate) broken: Mutex<Vec<String>>,
    /// Versions whose spec is wrong.
    pub(crate) faulty: Mutex<Vec<String>>,
    /// Versions that start and are not ready.
    pub(crate) sick: Mutex<Vec<String>>,
    /// What was asked, in order: `provision blue 1`, `stop green 2`, ...
    pub(crate) calls: Mutex<Vec<String>>,
    /// What was started anew, in order: `green 2`.
    pub(crate) started: Mutex<Vec<String>>,
    ports: Mutex<u16>,
}

impl FakeDriver {
    /// The version that runs on a colour.
    pub(crate) fn version_on(&self, colour: Colour) -> Option<String> {
        self.running.lock().unwrap().get(&colour).map(|(spec, _)| spec.version.clone())
    }

    /// As a reboot: nothing runs any more.
    pub(crate) fn lose_everything(&self) {
        self.running.lock().unwrap().clear();
    }

    /// As an instance that was restarted on another port.
    pub(crate) fn move_to_another_port(&self, colour: Colour) {
        if let Some((_, port)) = self.running.lock().unwrap().get_mut(&colour) {
            *port += 500;
        }
    }

    fn note(&self, what: &str, spec: &EnvironmentSpec) {
        self.calls.lock().unwrap().push(format!("{what} {} {}", spec.colour, spec.version));
    }
}

#[async_trait]
impl EnvironmentDriver for FakeDriver {
    async fn check(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        if spec.version == "uncheckable" || self.faulty.lock().unwrap().contains(&spec.version) {
            let what = "program \"shop\" does not exist".to_owned();
            return Err(TargetError::Spec { app: spec.app.clone(), colour: spec.colour, what });
        }
        Ok(())
    }

    async fn provision(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        self.note("provision", spec);
        if self.broken.lock().unwrap().contains(&spec.version) {
            let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            let (app, doing) = (spec.app.clone(), "start shop".to_owned());
            return Err(TargetError::System { app, colour: spec.colour, doing, source });
        }
        let mut running = self.running.lock().unwrap();
        if running.get(&spec.colour).is_none_or(|(known, _)| known != spec) {
            let mut ports = self.ports.lock().unwrap();
            *ports += 1;
            self.started.lock().unwrap().push(format!("{} {}", spec.colour, spec.version));
            running.insert(spec.colour, (spec.clone(), 9_000 + *ports));
        }
        Ok(())
    }

    async fn observe(&self, spec: &EnvironmentSpec) -> EnvironmentStatus {
        let running = self.running.lock().unwrap();
        let Some((_, port)) = running.get(&spec.colour).filter(|(known, _)| known == spec) else {
            let detail = "not running".to_owned();
            return EnvironmentStatus { instances: Vec::new(), ready: false, detail };
        };
        let sick = self.sick.lock().unwrap().contains(&spec.version);
        let instance = InstanceStatus {
            number: 0,
            host: "127.0.0.1".to_owned(),
            port: *port,
            pid: None,
            state: if sick { InstanceState::Unready } else { InstanceState::Ready },
            restarts: 0,
            detail: if sick { "GET / answered 503".to_owned() } else { String::new() },
            crash_loop: None,
        };
        EnvironmentStatus { detail: instance.detail.clone(), instances: vec![instance], ready: !sick }
    }

    async fn scale(&self, spec: &EnvironmentSpec, _instances: u16) -> Result<(), TargetError> {
        self.note("scale", spec);
        Ok(())
    }

    async fn stop(&self, spec: &EnvironmentSpec) -> Result<(), TargetError> {
        self.note("stop", spec);
        self.running.lock().unwrap().remove(&spec.colour);
        Ok(())
    }

    async fn last_log_lines(&self, spec: &EnvironmentSpec, _lines: usize) -> Vec<String> {
        vec![format!("version {} says good-bye", spec.version)]
    }
}
