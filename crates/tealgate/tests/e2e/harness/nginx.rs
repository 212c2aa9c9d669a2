//! nginx from Debian as an upstream that says its name and keeps a ledger.

use super::world::World;
use crate::clock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/sbin/nginx";

/// One nginx, with one process. It ends with this value.
pub(crate) struct Nginx {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Nginx {
    /// Plain HTTP: `/id` answers with the request's id, `/files/` takes PUTs and gives them back.
    pub(crate) async fn start(world: &World, name: &str) -> Nginx {
        Self::with(world, name, "", PLAIN).await
    }

    /// Plain HTTP, and `/ws` leads to a WebSocket server.
    pub(crate) async fn before_websockets(world: &World, name: &str, websockets: SocketAddr) -> Nginx {
        Self::with(
            world,
            name,
            "",
            &format!("{PLAIN}{}", WEBSOCKET.replace("ADDRESS", &websockets.to_string())),
        )
        .await
    }

    /// HTTPS with a self-signed certificate; `/headers` answers with what it was asked, and a mark or none.
    pub(crate) async fn with_tls(world: &World, name: &str, mark: &str) -> Nginx {
        let locations = format!(
            r#"ssl_certificate cert.pem; ssl_certificate_key key.pem;
            location = /headers {{ return 200 '{{"headers": {{"Host": "$http_host"{mark}}}}}\n'; }}"#
        );
        Self::with(world, name, "ssl", &locations).await
    }

    /// HTTPS whose clients must show a certificate of an authority; `/who` answers with the name in it.
    pub(crate) async fn asking_clients(world: &World, name: &str, authority: &str) -> Nginx {
        world.file(&format!("{name}/clients.pem"), authority);
        let locations = "ssl_certificate cert.pem; ssl_certificate_key key.pem;
            ssl_client_certificate clients.pem; ssl_verify_client on;
            location = /who { return 200 '$ssl_client_s_dn\\n'; }";
        Self::with(world, name, "ssl", locations).await
    }

    async fn with(world: &World, name: &str, tls: &str, locations: &str) -> Nginx {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: run scripts/install-tools");
        let directory = world.path().join(name);
        for inside in ["files", "temporary"] {
            std::fs::create_dir_all(directory.join(inside)).unwrap();
        }
        super::certificate::write(&directory);
        let port = testkit::free_port();
        let config = CONFIG
            .replace("LISTEN", &format!("127.0.0.1:{port} {tls}"))
            .replace("NAME", name)
            .replace("LOCATIONS", locations)
            .replace("HERE", &directory.display().to_string());
        let config_path = directory.join("nginx.conf");
        std::fs::write(config_path, config).unwrap();
        let child = spawn(&directory);
        let nginx = Nginx { child, port, directory };
        nginx.listens().await;
        nginx
    }

    async fn listens(&self) {
        let connects = async || tokio::net::TcpStream::connect(self.address()).await.is_ok();
        let evidence = || std::fs::read_to_string(self.directory.join("error.log")).unwrap_or_default();
        clock::until("nginx", connects, evidence).await;
    }

    /// SIGKILL.
    pub(crate) fn die(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) async fn come_back(&mut self) {
        self.child = spawn(&self.directory);
        self.listens().await;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// As `nodes` of an upstream.
    pub(crate) fn node(&self) -> serde_json::Value {
        serde_json::json!({ self.address().to_string(): 1 })
    }

    /// Its ledger: one line `ID 1` per request.
    pub(crate) fn ids(&self) -> String {
        std::fs::read_to_string(self.directory.join("ids.log")).unwrap_or_default()
    }

    /// Where `/files/` lies.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.join("files")
    }
}

fn spawn(directory: &Path) -> Child {
    let mut command = Command::new(PROGRAM);
    command.arg("-e").arg(directory.join("error.log"));
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    let stderr = std::fs::File::create(directory.join("stderr.log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap()
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONFIG: &str = r"
daemon off; master_process off; pid HERE/nginx.pid; error_log HERE/error.log warn;
events { worker_connections 1024; }
http {
  log_format ids '$http_x_request_id 1';
  access_log HERE/ids.log ids;
  client_body_temp_path HERE/temporary/body; proxy_temp_path HERE/temporary/proxy;
  fastcgi_temp_path HERE/temporary/fastcgi; uwsgi_temp_path HERE/temporary/uwsgi; scgi_temp_path HERE/temporary/scgi;
  client_max_body_size 64m; keepalive_requests 1000000;
  server {
    listen LISTEN;
    add_header X-Colour NAME always;
    LOCATIONS
  }
}
";

const PLAIN: &str = r#"
    root HERE;
    location = /id { return 200 "$http_x_request_id\n"; }
    location /files/ { dav_methods PUT; }
"#;

const WEBSOCKET: &str = r#"
    location = /ws {
      proxy_pass http://ADDRESS; proxy_http_version 1.1; proxy_read_timeout 1h;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
    }
"#;
