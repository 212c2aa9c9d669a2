//! Servers of the Python world: Debian's `python3-websockets` and `python3-uvicorn`, and `http.server` of the standard
//! library.

use super::world::World;
use crate::clock;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Debian's own, which has Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

const ECHO: &str = r#"
import asyncio, sys, websockets

async def echo(socket, path=None):
    async for message in socket:
        await socket.send(f"{sys.argv[1]} {message}")

async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
"#;

/// One server. It ends with this value.
pub(crate) struct Python {
    child: Child,
    address: SocketAddr,
}

impl Python {
    /// Echoes each WebSocket message with a name before it.
    pub(crate) fn websockets(name: &str) -> Python {
        Python::script(&["-c", ECHO, name], "python3-websockets")
    }

    /// An ASGI application.
    pub(crate) fn asgi() -> Python {
        Python::script(&["-c", include_str!("asgi.py")], "python3-uvicorn")
    }

    /// One that prints its port. Without `package` it cannot.
    fn script(arguments: &[&str], package: &str) -> Python {
        let mut command = Command::new(PYTHON);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("/usr/bin/python3 is missing: run scripts/install-tools");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse();
        let port: u16 = port.unwrap_or_else(|_| panic!("{package} is missing: run scripts/install-tools"));
        Python { child, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Serves the files of the world.
    pub(crate) async fn files(world: &World) -> Python {
        let address = SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
        let mut command = Command::new(PYTHON);
        command.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]);
        command.arg(world.path()).arg(address.port().to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let python =
            Python { child: child.expect("/usr/bin/python3 is missing: run scripts/install-tools"), address };
        let connects = async || tokio::net::TcpStream::connect(address).await.is_ok();
        clock::until("http.server", connects, String::new).await;
        python
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
