//! Messages with file descriptors between two processes of one user: a Unix socket that keeps the bounds of messages.

use super::MESSAGE_LIMIT;
use super::message::Message;
use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, recvmsg, sendmsg,
    sockopt,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

/// Most descriptors of one message; the system's bound is 253.
pub(super) const MAX_DESCRIPTORS: usize = 64;
/// Longest message.
const MAX_BYTES: usize = 16 * 1024;
/// Processes that may wait to be listened to.
const BACKLOG: i32 = 8;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    /// The other process.
    pub(super) pid: u32,
}

impl Channel {
    /// Connects to whoever listens on `path`, if it is a process of the same user, or of root.
    pub(super) fn connect(path: &Path) -> io::Result<Channel> {
        let socket = socket()?;
        with_address(path, |address| Ok(rustix::net::connect(&socket, address)?))?;
        Channel::new(UnixStream::from_std(socket.into())?)
    }

    /// Takes a connection of a process of the same user, or of root.
    pub(super) fn new(stream: UnixStream) -> io::Result<Channel> {
        let peer = sockopt::socket_peercred(&stream)?;
        if peer.uid != rustix::process::geteuid() && !peer.uid.is_root() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("process {} belongs to another user ({})", peer.pid, peer.uid.as_raw()),
            ));
        }
        let pid = peer.pid.as_raw_nonzero().get().unsigned_abs();
        Ok(Channel { stream, pid })
    }

    /// Sends a message with at most [`MAX_DESCRIPTORS`] descriptors.
    pub(super) async fn send(&self, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let sending = self.stream.async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
            }
            sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
            Ok(())
        });
        tokio::time::timeout(MESSAGE_LIMIT, sending).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The next message with its descriptors; `None`: the other process has gone.
    pub(super) async fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let received = self.stream.async_io(Interest::READABLE, || self.receive_now()).await;
        match received {
            Ok((bytes, _)) if bytes.is_empty() => Ok(None),
            Ok((bytes, descriptors)) => Ok(Some((serde_json::from_slice(&bytes)?, descriptors))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Nothing that the other process says from now on is heard, and it is told so when it tries. What it has said before
    /// can still be received.
    pub(super) fn close_ears(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.stream, Shutdown::Read)?)
    }

    fn receive_now(&self) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
        let mut bytes = vec![0; MAX_BYTES];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(&self.stream, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was cut"));
        }
        bytes.truncate(received.bytes);
        Ok((bytes, descriptors))
    }
}

/// Listens on `path`, which leads to this process from now on, whoever listened there before.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let socket = socket()?;
    with_address(&new, |address| Ok(rustix::net::bind(&socket, address)?))?;
    std::fs::set_permissions(&new, PermissionsExt::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    std::fs::rename(&new, path)?;
    UnixListener::from_std(socket.into())
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// An address holds at most 107 bytes of a path; a longer one is reached through its directory.
fn with_address<T>(path: &Path, use_it: impl FnOnce(&SocketAddrUnix) -> io::Result<T>) -> io::Result<T> {
    if let Ok(address) = SocketAddrUnix::new(path) {
        return use_it(&address);
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = File::open(directory)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    use_it(&SocketAddrUnix::new(&short)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    #[tokio::test]
    async fn messages_keep_their_bounds_and_bring_descriptors_that_work() {
        let directory = tempfile::tempdir().unwrap();
        // Longer than an address can be.
        let long = directory.path().join("x".repeat(120));
        std::fs::create_dir(&long).unwrap();
        for path in [directory.path().join("s"), long.join("s")] {
            let listener = listen(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let one = Channel::connect(&path).unwrap();
            let other = Channel::new(listener.accept().await.unwrap().0).unwrap();
            assert_eq!((one.pid, other.pid), (std::process::id(), std::process::id()));
            let (mut reads, writes) = std::io::pipe().unwrap();
            let many = vec![writes.as_fd(); MAX_DESCRIPTORS];
            one.send(&Message::Lock, &many).await.unwrap();
            one.send(&Message::Ready, &[]).await.unwrap();
            drop((one, writes));
            let (message, descriptors) = other.receive().await.unwrap().unwrap();
            assert_eq!((message, descriptors.len()), (Message::Lock, MAX_DESCRIPTORS));
            assert_eq!(other.receive().await.unwrap().unwrap().0, Message::Ready);
            assert!(other.receive().await.unwrap().is_none());
            for descriptor in descriptors {
                File::from(descriptor).write_all(b"!").unwrap();
            }
            let mut text = String::new();
            reads.read_to_string(&mut text).unwrap();
            assert_eq!(text.len(), MAX_DESCRIPTORS);
        }
    }

    #[tokio::test]
    async fn what_was_said_before_the_ears_closed_is_heard_and_what_is_said_later_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = listen(&path).unwrap();
        let one = Channel::connect(&path).unwrap();
        let other = Channel::new(listener.accept().await.unwrap().0).unwrap();
        one.send(&Message::Serving, &[]).await.unwrap();
        other.close_ears().unwrap();
        assert_eq!(one.send(&Message::Gone, &[]).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(other.receive().await.unwrap().unwrap().0, Message::Serving);
        assert!(other.receive().await.unwrap().is_none());
        other.send(&Message::Gone, &[]).await.unwrap();
        assert_eq!(one.receive().await.unwrap().unwrap().0, Message::Gone, "the other way is open");
    }

    #[tokio::test]
    async fn who_listens_anew_on_a_path_is_the_one_that_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _old = listen(&path).unwrap();
        let new = listen(&path).unwrap();
        let _one = Channel::connect(&path).unwrap();
        new.accept().await.unwrap();
        drop(new);
        assert_eq!(Channel::connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
