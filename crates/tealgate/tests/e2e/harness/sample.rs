//! The sample app as an upstream that someone else runs.

use super::gate::tealgate;
use super::world::World;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Stdio};

/// One process of it. It ends with this value.
pub(crate) struct Sample {
    child: Child,
    address: SocketAddr,
    ledger: PathBuf,
    _stderr: BufReader<ChildStderr>,
}

impl Sample {
    pub(crate) fn start(world: &World, colour: &str) -> Sample {
        let ledger = world.path().join(format!("ledger-of-{colour}"));
        let mut command = tealgate();
        command.args(["sample-app", "--port", "0", "--version", "v1", "--colour", colour, "--ledger"]);
        let mut child = command.arg(&ledger).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        Sample { child, address, ledger, _stderr: stderr }
    }

    /// As `nodes` of an upstream.
    pub(crate) fn node(&self) -> serde_json::Value {
        serde_json::json!({ self.address.to_string(): 1 })
    }

    /// One line `ID 1` per request that reached it.
    pub(crate) fn ids(&self) -> String {
        std::fs::read_to_string(&self.ledger).unwrap()
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
