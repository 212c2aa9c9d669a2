//! An upstream below HTTP: each connection plays a script of bytes, and what came is kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read until these bytes have come (in all that was read since the last such step).
    ReadUntil(Vec<u8>),
    /// Read until the peer closes its side.
    ReadToEnd,
    /// Send these bytes.
    Send(Vec<u8>),
    /// Close with a reset instead of an orderly end; the script ends here.
    Reset,
}

impl Step {
    /// Reads up to the end of a head.
    #[must_use]
    pub fn read_head() -> Self {
        Step::ReadUntil(b"\r\n\r\n".to_vec())
    }

    /// Sends a text.
    #[must_use]
    pub fn send(text: &str) -> Self {
        Step::Send(text.as_bytes().to_vec())
    }
}

/// A running scripted upstream. A connection is closed at the end of its script.
#[derive(Debug)]
pub struct ScriptedUpstream {
    address: SocketAddr,
    received: Arc<Mutex<BTreeMap<usize, Vec<u8>>>>,
    finished: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

impl ScriptedUpstream {
    /// Starts one on a free port of the loopback address: the first connection plays the first script, and so on;
    /// further ones play the last.
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(BTreeMap::new()));
        let (finishing, finished) = watch::channel(0);
        let accepting = tokio::spawn(accept(listener, scripts, Arc::clone(&received), finishing));
        ScriptedUpstream { address, received, finished, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came on each connection up to now, in the order of the connections.
    #[must_use]
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().values().cloned().collect()
    }

    /// Waits until so many connections have played their scripts.
    pub async fn finished(&mut self, connections: usize) {
        let wait = self.finished.wait_for(|&count| count >= connections);
        crate::clock::within("a script", wait).await.unwrap();
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    scripts: Vec<Vec<Step>>,
    received: Arc<Mutex<BTreeMap<usize, Vec<u8>>>>,
    finishing: watch::Sender<usize>,
) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        received.lock().unwrap().insert(number, Vec::new());
        let script = scripts.get(number).or(scripts.last()).cloned().unwrap_or_default();
        let (received, finishing) = (Arc::clone(&received), finishing.clone());
        connections.spawn(async move {
            // An error is a peer that left in the middle; what it had sent is kept.
            let _ = play(stream, script, |bytes| {
                received.lock().unwrap().entry(number).or_default().extend_from_slice(bytes);
            })
            .await;
            finishing.send_modify(|count| *count += 1);
        });
    }
}

async fn play(mut stream: TcpStream, script: Vec<Step>, mut keep: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut unread = Vec::new();
    let mut buffer = [0; 4_096];
    for step in script {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Reset => return stream.set_zero_linger(),
            Step::ReadUntil(end) => {
                while !unread.windows(end.len().max(1)).any(|window| window == end) {
                    let count = stream.read(&mut buffer).await?;
                    if count == 0 {
                        return Ok(());
                    }
                    keep(&buffer[..count]);
                    unread.extend_from_slice(&buffer[..count]);
                }
                let found = unread.windows(end.len().max(1)).position(|window| window == end);
                unread.drain(..found.unwrap_or(0) + end.len());
            }
            Step::ReadToEnd => loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    break;
                }
                keep(&buffer[..count]);
            },
        }
    }
    stream.shutdown().await
}
