//! The side that takes over.

use super::channel::Channel;
use super::estate::{Estate, unexpected};
use super::message::Message;
use super::{ANSWER_LIMIT, GONE_LIMIT, PROTOCOL, YOURS_LIMIT, socket_path};
use crate::cli::serve::Role;
use crate::clock;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// How often to look again for the process to take over from, while it is being taken over from by another one.
const TRIES: u32 = 100;
const RETRY: Duration = Duration::from_millis(100);

/// Why nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The socket is there and cannot be used.
    #[error("cannot take over through {}", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The running process hands nothing over.
    #[error("process {pid} does not hand over")]
    Refused {
        /// The running one.
        pid: u32,
        /// What it said, or what is wrong with it.
        #[source]
        source: io::Error,
    },
    /// Others were faster, again and again.
    #[error("other processes take over all the time; try again")]
    Busy,
}

/// The connection to the process that is taken over from.
#[derive(Debug)]
pub struct Taker {
    pub(super) channel: Channel,
    pub(in crate::serve) estate: Estate,
    /// How long it waits for the word that the other one is gone.
    pub(super) gone_limit: Duration,
}

impl Taker {
    /// Asks the process that runs in a role on a data directory to hand over, and takes duplicates of all it has. It
    /// goes on as before. `None`: there is none.
    ///
    /// # Errors
    /// When it refuses, or cannot be asked.
    pub(in crate::serve) async fn connect(
        data_dir: &Path,
        role: Role,
    ) -> Result<Option<Taker>, TakeoverError> {
        let path = socket_path(data_dir, role);
        for _ in 0..TRIES {
            let channel = match Channel::connect(&path) {
                Ok(channel) => channel,
                Err(error) if is_nobody(&error) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    clock::pause(RETRY).await;
                    continue;
                }
                Err(source) => return Err(TakeoverError::Socket { path, source }),
            };
            let pid = channel.pid;
            let silent = || io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
            match timeout(ANSWER_LIMIT, ask(&channel)).await.unwrap_or_else(|_| Err(silent())) {
                Ok(Some(estate)) => return Ok(Some(Taker { channel, estate, gone_limit: GONE_LIMIT })),
                // It is about to end, or another one has taken over from it meanwhile, and is to be asked.
                Ok(None) => clock::pause(RETRY).await,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => clock::pause(RETRY).await,
                Err(source) => return Err(TakeoverError::Refused { pid, source }),
            }
        }
        Err(TakeoverError::Busy)
    }

    /// The process that is taken over from.
    pub(in crate::serve) fn pid(&self) -> u32 {
        self.channel.pid
    }

    /// Says that everything is started, and waits until the other one controls nothing any more. If it has died, the same
    /// is true.
    ///
    /// # Errors
    /// When it has changed its mind, or cannot let go: it goes on, and this process must not.
    pub(in crate::serve) async fn claim(&self) -> Result<(), TakeoverError> {
        let refused = |source| TakeoverError::Refused { pid: self.channel.pid, source };
        match self.channel.send(&Message::Ready, &[]).await {
            Err(error) if is_gone(&error) => return Ok(()),
            said => said.map_err(refused)?,
        }
        let answer = timeout(YOURS_LIMIT, self.channel.receive()).await;
        let answer = answer.map_err(|_| refused(io::Error::other("it does not let go in time")))?;
        match answer.map_err(refused)? {
            None => {
                tracing::warn!(pid = self.channel.pid, "the process to take over from has died");
                Ok(())
            }
            Some((Message::Yours, _)) => Ok(()),
            Some((Message::Refused { why }, _)) => Err(refused(io::Error::other(why))),
            Some((other, _)) => Err(refused(unexpected(&other))),
        }
    }

    /// Says that this process accepts connections, and waits for the other one's word that it is gone: it alone decides,
    /// and drains from then on. If it has died, the same is true.
    ///
    /// # Errors
    /// When it goes on: it did not hear of us in time, or does not answer. Whatever it says later, it will find that
    /// nobody listens, and go on.
    pub(in crate::serve) async fn serving(&self) -> Result<(), TakeoverError> {
        let refused = |source| TakeoverError::Refused { pid: self.channel.pid, source };
        match self.channel.send(&Message::Serving, &[]).await {
            Err(error) if is_gone(&error) => {}
            said => said.map_err(refused)?,
        }
        let answer = match timeout(self.gone_limit, self.channel.receive()).await {
            Ok(answer) => answer.map_err(refused)?,
            Err(_) => {
                // It may be saying it right now. What comes too late must not arrive.
                self.channel.close_ears().map_err(refused)?;
                let last = self.channel.receive().await.map_err(refused)?;
                Some(last.ok_or_else(|| refused(io::Error::other("it does not say that it is gone")))?)
            }
        };
        match answer {
            None => {
                tracing::warn!(pid = self.channel.pid, "the process to take over from has died");
                Ok(())
            }
            Some((Message::Gone, _)) => Ok(()),
            Some((Message::Refused { why }, _)) => Err(refused(io::Error::other(why))),
            Some((other, _)) => Err(refused(unexpected(&other))),
        }
    }

    /// Says that nothing comes of it, and why: the other one goes on.
    pub(in crate::serve) async fn give_up(&self, why: String) {
        // If it does not arrive, the end of the connection says enough.
        let _ = self.channel.send(&Message::Refused { why }, &[]).await;
    }
}

async fn ask(channel: &Channel) -> io::Result<Option<Estate>> {
    let hello = Message::Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned() };
    channel.send(&hello, &[]).await?;
    Estate::receive(channel).await
}

/// Nobody listens there: no process of this role runs, or it was killed.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
