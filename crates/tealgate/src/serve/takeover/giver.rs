//! The side that is taken over from.

use super::channel::{self, Channel};
use super::estate::{Holdings, unexpected};
use super::message::Message;
use super::{MESSAGE_LIMIT, PROTOCOL, READY_LIMIT, SERVING_LIMIT, socket_path};
use crate::cli::serve::Role;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Listens for a process that wants to take over.
pub(in crate::serve) struct Giver {
    path: PathBuf,
    successors: mpsc::Receiver<Successor>,
    listening: JoinHandle<()>,
}

/// A process that is ready to take over.
pub(in crate::serve) struct Successor {
    channel: Channel,
    /// How long it may take to accept connections.
    pub(super) serving_limit: Duration,
    /// Told when nothing came of it: the next one may try.
    _free: oneshot::Sender<()>,
}

impl Giver {
    /// Listens from now on, in the place of whoever did before.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub(in crate::serve) fn start(data_dir: &Path, role: Role, holdings: Arc<Holdings>) -> io::Result<Giver> {
        let path = socket_path(data_dir, role);
        let listener = channel::listen(&path)?;
        let (sender, successors) = mpsc::channel(1);
        let listening = tokio::spawn(serve(listener, holdings, sender));
        Ok(Giver { path, successors, listening })
    }

    /// The next process that is ready to take over. May be dropped at any await.
    pub(in crate::serve) async fn next(&mut self) -> Successor {
        match self.successors.recv().await {
            Some(successor) => successor,
            None => std::future::pending().await,
        }
    }

    /// Listens no more, and lets go of what it could hand over. The socket's name stays: it is another process's by now.
    pub(in crate::serve) async fn end(self) {
        self.listening.abort();
        let _ = self.listening.await;
    }

    /// The same at the end of a server that nobody takes over from.
    pub(in crate::serve) async fn remove(self) {
        // Commands and processes that come later find nobody instead of a refused connection: both say the same.
        let _ = std::fs::remove_file(&self.path);
        self.end().await;
    }
}

/// One after the other, each to its end.
async fn serve(listener: UnixListener, holdings: Arc<Holdings>, ready: mpsc::Sender<Successor>) {
    loop {
        let channel = match listener.accept().await.and_then(|(stream, _)| Channel::new(stream)) {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!(%error, "someone who wants to take over is not let");
                // Out of descriptors, most likely: not again at once.
                crate::clock::pause(Duration::from_millis(100)).await;
                continue;
            }
        };
        let pid = channel.pid;
        match timeout(READY_LIMIT, prepare(&channel, &holdings)).await {
            Ok(Ok(())) => {
                let (free, freed) = oneshot::channel();
                if ready.send(Successor { channel, serving_limit: SERVING_LIMIT, _free: free }).await.is_err()
                {
                    return;
                }
                // Ends with the sender.
                let _ = freed.await;
            }
            Ok(Err(error)) => tracing::error!(pid, "not taken over, everything goes on as it was: {error}"),
            Err(_) => {
                refuse(&channel, "it took too long to become ready").await;
                tracing::error!(pid, "not taken over, everything goes on as it was: it took too long");
            }
        }
    }
}

/// Hands duplicates over and waits until the other process is ready.
async fn prepare(channel: &Channel, holdings: &Holdings) -> io::Result<()> {
    let gone = || io::Error::other("the process ended before it was ready; its own output says why");
    match channel.receive().await?.ok_or_else(gone)?.0 {
        Message::Hello { protocol: PROTOCOL, version } => {
            tracing::info!(pid = channel.pid, version, "a process prepares to take over");
        }
        Message::Hello { protocol, version } => {
            let why = format!("version {version} speaks protocol {protocol}, this one {PROTOCOL}");
            refuse(channel, &why).await;
            return Err(io::Error::other(why));
        }
        other => return Err(unexpected(&other)),
    }
    holdings.estate()?.send(channel).await?;
    match channel.receive().await?.ok_or_else(gone)?.0 {
        Message::Ready => Ok(()),
        Message::Refused { why } => Err(io::Error::other(why)),
        other => Err(unexpected(&other)),
    }
}

/// Says why it will not be; whether that arrives or not, the connection ends.
async fn refuse(channel: &Channel, why: &str) {
    let _ = channel.send(&Message::Refused { why: why.to_owned() }, &[]).await;
}

impl Successor {
    /// Its process.
    pub(in crate::serve) fn pid(&self) -> u32 {
        self.channel.pid
    }

    /// Tells it that nobody is in charge, waits until it accepts connections, and decides: it is the one from then on.
    ///
    /// # Errors
    /// When it is not: then this process is still in charge, and the other one has been told or is gone.
    pub(in crate::serve) async fn hand_over(self) -> io::Result<()> {
        let channel = self.channel;
        if let Err(error) = until_it_serves(&channel, self.serving_limit).await {
            refuse_surely(channel, error.to_string());
            return Err(error);
        }
        // This fails if it has given up meanwhile: its ears are closed then.
        channel.send(&Message::Gone, &[]).await?;
        // It ends the connection once it listens for those who want to take over from it: until then they wait here.
        let _ = timeout(MESSAGE_LIMIT, channel.receive()).await;
        Ok(())
    }
}

async fn until_it_serves(channel: &Channel, limit: Duration) -> io::Result<()> {
    channel.send(&Message::Yours, &[]).await?;
    let said = timeout(limit, channel.receive()).await;
    match said.map_err(|_| io::Error::other("it fell silent"))?? {
        Some((Message::Serving, _)) => Ok(()),
        Some((Message::Refused { why }, _)) => Err(io::Error::other(why)),
        Some((other, _)) => Err(unexpected(&other)),
        None => Err(io::Error::other("it ended before it accepted connections")),
    }
}

/// Says why it will not be, and keeps the connection until the other process has ended it. It may sleep for long: the end
/// of the connection would say that this process has died, and that it is to go on alone.
fn refuse_surely(channel: Channel, why: String) {
    tokio::spawn(async move {
        refuse(&channel, &why).await;
        while let Ok(Some(_)) = channel.receive().await {}
    });
}
