//! What the demo plays on: a directory that vanishes, a configuration as a user would write it, a running server.

use crate::cli::release::ServerArgs;
use crate::cli::serve::ServeArgs;
use crate::client::Client;
use crate::client::find::Server as Address;
use crate::error::{Failure, Outcome};
use crate::serve::{Options, Server};
use load::reconcile::BackendCounts;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The app of the demo.
pub(super) const APP: &str = "shop";
/// The host that its users ask for.
pub(super) const HOST: &str = "shop.example";
/// Instances of each environment.
const INSTANCES: u16 = 2;

/// A directory and a server in it.
pub(super) struct Stage {
    /// Everything that is written lies here.
    pub(super) directory: PathBuf,
    /// Removes it at the end.
    _temporary: TempDir,
    pub(super) server: Server,
    pub(super) client: Client,
    /// Where users send their requests.
    pub(super) gateway: SocketAddr,
}

impl Stage {
    /// Writes the configuration and starts the server on free ports of loopback.
    pub(super) async fn set() -> Outcome<Stage> {
        let temporary =
            tempfile::Builder::new().prefix("tealgate-demo-").tempdir().map_err(Failure::internal)?;
        let directory = temporary.path().to_path_buf();
        let data_dir = directory.join("data");
        let config = directory.join("tealgate.yaml");
        std::fs::create_dir(directory.join("ledgers")).map_err(Failure::internal)?;
        std::fs::write(&config, configuration(&directory)?).map_err(Failure::internal)?;
        let arguments =
            ServeArgs { config: Some(config), data_dir: Some(data_dir.clone()), ..ServeArgs::default() };
        let server = Server::start(Options::new(&arguments)?).await?;
        server.become_ready().await;
        let found = Address::find(&ServerArgs { data_dir: Some(data_dir), ..ServerArgs::default() })?;
        let gateway = server.listening().first().copied();
        let gateway =
            gateway.ok_or_else(|| Failure::internal(anyhow::anyhow!("the gateway listens nowhere")))?;
        Ok(Stage { directory, _temporary: temporary, client: Client::new(found), server, gateway })
    }

    /// The target of the broken version 3: healthy when asked for its health, an error for every user.
    pub(super) fn broken_target(&self) -> Outcome<Value> {
        let mut target = target(&self.directory)?;
        if let Some(command) = target.pointer_mut("/process/command").and_then(Value::as_array_mut) {
            command.extend([json!("--fail-rate"), json!("1")]);
        }
        Ok(target)
    }

    /// What the backends of all versions received, by colour, from the ledgers that they kept on disk.
    pub(super) fn backends(&self) -> Outcome<BackendCounts> {
        let mut counts = BackendCounts::new();
        for entry in std::fs::read_dir(self.directory.join("ledgers")).map_err(Failure::internal)? {
            let path = entry.map_err(Failure::internal)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let colour = name.split('-').next().unwrap_or_default().to_owned();
            let dump = std::fs::read_to_string(&path).map_err(Failure::internal)?;
            counts.add_dump(&colour, &dump).map_err(Failure::internal)?;
        }
        Ok(counts)
    }
}

/// The file that a user would write for this app.
fn configuration(directory: &Path) -> Outcome<String> {
    let file = json!({
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0", "tls_listen": "off"},
        "log": {"level": "error"},
        "access_log": directory.join("access.log"),
        "routes": [{"id": APP, "uri": "/*", "hosts": [HOST], "service_id": APP}],
        "services": [{"id": APP, "name": APP}],
        "apps": [{"id": APP, "service_id": APP, "target": target(directory)?, "release": policy()}],
    });
    // JSON is YAML.
    serde_json::to_string_pretty(&file).map_err(Failure::internal)
}

fn target(directory: &Path) -> Outcome<Value> {
    let program = std::env::current_exe().map_err(Failure::internal)?;
    let ledger = directory.join("ledgers/{colour}-{version}-{instance}");
    Ok(json!({"process": {
        "command": [
            program, "sample-app", "--address", "{address}", "--port", "{port}", "--version", "{version}",
            "--colour", "{colour}", "--instance", "{instance}", "--ledger", ledger,
        ],
        "instances": INSTANCES,
        "readiness": {"probe": {"http": {"path": "/healthz"}}, "interval_ms": 50},
        "upstream": {"type": "roundrobin", "timeout": {"connect": 2, "send": 10, "read": 10}},
    }}))
}

/// Short times, so that a whole release fits into a demo.
fn policy() -> Value {
    json!({
        "steps": [{"share": 10, "pause_ms": 3_000}, {"share": 50, "pause_ms": 3_000}, {"share": 100, "pause_ms": 1_000}],
        "soak": {"duration_ms": 4_000, "interval_ms": 1_000},
        "limits": {"max_error_rate": 0.05, "min_requests": 20},
        "drain_timeout_ms": 5_000,
        "gates": [{
            "name": "smoke",
            "when": ["before_shift", "soak"],
            "check": {"smoke": {"requests": [{"path": "/healthz", "expect": {"body_contains": "healthy"}}]}},
            "timeout_ms": 5_000,
        }],
    })
}
