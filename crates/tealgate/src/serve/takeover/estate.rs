//! What is handed over: the sockets that are listened on, and the lock on the data directory.

use super::channel::{Channel, MAX_DESCRIPTORS};
use super::message::Message;
pub(in crate::serve) use super::message::Use;
use admin::Readiness;
use gateway::{Gateway, Listening};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use store::DirectoryLock;
use tokio::sync::watch;

/// Most sockets that are taken: 256 threads on as many addresses as anyone has.
const MAX_SOCKETS: usize = 65_536;

/// Duplicates of everything that the other process needs.
#[derive(Debug, Default)]
pub(in crate::serve) struct Estate {
    /// The sockets of each address, by what they are for.
    pub(in crate::serve) sockets: Vec<(Use, Listening)>,
    /// The files of the lock.
    pub(in crate::serve) lock: Vec<File>,
    /// Whether traffic was welcome.
    pub(in crate::serve) ready: bool,
}

/// What a running server holds and can hand over. It is let go when the last clone of its [`Arc`] is dropped.
pub(in crate::serve) struct Holdings {
    pub(in crate::serve) gateway: Option<Arc<Gateway>>,
    pub(in crate::serve) admin: Vec<(Use, Listening)>,
    pub(in crate::serve) lock: DirectoryLock,
    pub(in crate::serve) readiness: watch::Receiver<Readiness>,
}

impl Holdings {
    /// Duplicates of it all.
    pub(super) fn estate(&self) -> io::Result<Estate> {
        let gateway = self.gateway.as_ref().map(|gateway| gateway.duplicates()).transpose()?;
        let mut sockets: Vec<(Use, Listening)> =
            gateway.into_iter().flatten().map(|listening| (Use::Gateway, listening)).collect();
        for (purpose, listening) in &self.admin {
            sockets.push((*purpose, duplicate(listening)?));
        }
        let lock = self.lock.files().iter().map(File::try_clone).collect::<io::Result<_>>()?;
        let ready = matches!(*self.readiness.borrow(), Readiness::Ready);
        Ok(Estate { sockets, lock, ready })
    }

    /// Duplicates of the Admin API's listeners for a purpose.
    pub(in crate::serve) fn admin_listeners(
        &self,
        purpose: Use,
    ) -> impl Iterator<Item = io::Result<TcpListener>> {
        let sockets = self.admin.iter().filter(move |(of, _)| *of == purpose);
        sockets.flat_map(|(_, listening)| listening.sockets.iter().map(TcpListener::try_clone))
    }

    /// Where the Admin API listens for a purpose.
    pub(in crate::serve) fn admin_address(&self, purpose: Use) -> Option<SocketAddr> {
        self.admin.iter().find(|(of, _)| *of == purpose).map(|(_, listening)| listening.address)
    }
}

fn duplicate(listening: &Listening) -> io::Result<Listening> {
    let sockets = listening.sockets.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
    Ok(Listening { sockets, ..*listening })
}

impl Estate {
    /// Sends everything.
    pub(super) async fn send(&self, channel: &Channel) -> io::Result<()> {
        for (purpose, listening) in &self.sockets {
            let (asked, address) = (listening.asked, listening.address);
            for some in listening.sockets.chunks(MAX_DESCRIPTORS) {
                let message = Message::Sockets { purpose: *purpose, asked, address };
                let descriptors: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
                channel.send(&message, &descriptors).await?;
            }
        }
        let files: Vec<BorrowedFd<'_>> = self.lock.iter().map(AsFd::as_fd).collect();
        channel.send(&Message::Lock, &files).await?;
        channel.send(&Message::Estate { ready: self.ready }, &[]).await
    }

    /// Receives everything; `None`: the other process has gone.
    ///
    /// # Errors
    /// What is wrong; also what the other process refuses it for.
    pub(super) async fn receive(channel: &Channel) -> io::Result<Option<Estate>> {
        let mut estate = Estate::default();
        while let Some((message, descriptors)) = channel.receive().await? {
            match message {
                Message::Sockets { purpose, asked, address } if estate.count() < MAX_SOCKETS => {
                    let sockets = descriptors.into_iter().map(TcpListener::from);
                    estate.add(purpose, Listening { asked, address, sockets: sockets.collect() });
                }
                Message::Lock => estate.lock.extend(descriptors.into_iter().map(File::from)),
                Message::Estate { ready } => {
                    estate.ready = ready;
                    return Ok(Some(estate));
                }
                Message::Refused { why } => return Err(io::Error::other(why)),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(None)
    }

    fn count(&self) -> usize {
        self.sockets.iter().map(|(_, listening)| listening.sockets.len()).sum()
    }

    /// Adds sockets; those of the address before may have come in several messages.
    fn add(&mut self, purpose: Use, more: Listening) {
        match self.sockets.last_mut() {
            Some((of, last)) if *of == purpose && last.address == more.address => {
                last.sockets.extend(more.sockets);
            }
            _ => self.sockets.push((purpose, more)),
        }
    }

    /// Takes out the sockets for a purpose.
    pub(in crate::serve) fn take(&mut self, purpose: Use) -> Vec<Listening> {
        let taken = self.sockets.extract_if(.., |(of, _)| *of == purpose);
        taken.map(|(_, listening)| listening).collect()
    }
}

pub(super) fn unexpected(message: &Message) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it said something unexpected: {message:?}"))
}
