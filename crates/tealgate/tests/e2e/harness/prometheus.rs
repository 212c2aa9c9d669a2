//! Prometheus from Debian, which scrapes a gate.

use super::world::World;
use crate::clock;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/bin/prometheus";

/// One Prometheus. It ends with this value.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// Reads the metrics of an Admin API five times a second.
    pub(crate) async fn scraping(world: &World, admin: SocketAddr) -> Prometheus {
        let missing = !std::path::Path::new(PROGRAM).exists();
        assert!(!missing, "{PROGRAM} is missing: run scripts/install-tools");
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  - job_name: gate\n    static_configs: [{{targets: [\"{admin}\"]}}]\n"
        );
        let config = world.file("prometheus/prometheus.yml", config);
        let data = world.path().join("prometheus/data");
        let port = testkit::free_port();
        let child = Command::new(PROGRAM)
            .arg(format!("--config.file={config}"))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Prometheus { child, port };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // It looks for its targets five seconds after its start.
        let has_scraped = async || {
            let answer = super::client::try_get(address, "/api/v1/targets").await;
            answer.is_some_and(|answer| String::from_utf8_lossy(&answer.body).contains(r#""health":"up""#))
        };
        clock::until("a first scrape of Prometheus", has_scraped, String::new).await;
        prometheus
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn die(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
