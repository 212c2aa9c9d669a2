//! Whether a client goes while nothing is read from it, because what it sends is held up.
//!
//! What TCP cannot tell stays unknown: the orderly end of a client whose bytes fill the window waits behind them on its side.
//!
//! A read would show its leaving only behind all that it has sent. The system knows at once, and tells who asks for the
//! end of what can be read and for nothing else. The runtime has one such question for each socket, and that is the reading;
//! so this asks with a second descriptor of the same socket. It is made only for a client that is held up, and it costs nothing
//! else but that descriptor.

use super::{Client, ClientIo};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Hears of the leaving of one client, from when it is first asked.
#[derive(Default)]
pub(crate) enum Departure {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// It is listened for.
    Watched(Pin<Box<dyn Future<Output = ()>>>),
    /// There is no descriptor left for it; it will be noticed once what was sent is read.
    Unknown,
}

impl Departure {
    /// Whether the client has closed its side of the connection, or broken it off. A client that closes only its sending side
    /// counts as gone, as elsewhere. False for a stream of HTTP/2, which tells itself.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, io: &ClientIo) -> bool {
        loop {
            match self {
                Departure::Unasked => *self = Departure::of(io),
                Departure::Watched(left) => match left.as_mut().poll(cx) {
                    Poll::Ready(()) => return true,
                    Poll::Pending => return false,
                },
                Departure::Unknown => return false,
            }
        }
    }

    fn of(io: &ClientIo) -> Departure {
        let socket: &TcpStream = match io {
            ClientIo::Plain(socket) => socket,
            ClientIo::Tls(tls) => tls.get_ref().0,
            ClientIo::Http2(_) => return Departure::Unknown,
        };
        let second = socket.as_fd().try_clone_to_owned().map(std::net::TcpStream::from);
        match second.and_then(TcpStream::from_std) {
            Ok(second) => Departure::Watched(Box::pin(left(second))),
            Err(_) => Departure::Unknown,
        }
    }
}

impl Client {
    /// Whether the client has gone, where nothing of what it sends is used now: that is kept as far as there is room, and
    /// beyond it the system is asked.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>, departure: &mut Departure) -> bool {
        self.io.poll_left(cx, &mut self.input) || (self.input.is_full() && departure.poll(cx, &self.io))
    }
}

/// Ends when nothing more will come, whatever has come and was not read. In the runtime's view that belongs to urgent data, too;
/// such data itself is not asked for, and never comes.
async fn left(socket: TcpStream) {
    // Either way there is nothing to wait for any more.
    let _ = socket.ready(Interest::PRIORITY | Interest::ERROR).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn connected() -> (ClientIo, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ClientIo::Plain(listener.accept().await.unwrap().0), client)
    }

    async fn leaves(io: &ClientIo, departure: &mut Departure) {
        poll_fn(|cx| if departure.poll(cx, io) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn has_left(io: &ClientIo, departure: &mut Departure) -> bool {
        departure.poll(&mut Context::from_waker(Waker::noop()), io)
    }

    #[tokio::test]
    async fn a_client_that_closes_behind_what_nobody_reads_is_heard() {
        let (mut io, mut client) = connected().await;
        let mut departure = Departure::default();
        client.write_all(b"more").await.unwrap();
        let ClientIo::Plain(socket) = &io else { unreachable!() };
        socket.readable().await.unwrap();
        assert!(!has_left(&io, &mut departure), "bytes are no leaving");
        drop(client);
        leaves(&io, &mut departure).await;
        let mut read = Vec::new();
        io.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"more", "nothing was taken");
    }

    #[tokio::test]
    async fn a_client_that_breaks_off_is_heard() {
        let (io, client) = connected().await;
        let mut departure = Departure::default();
        assert!(!has_left(&io, &mut departure));
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        leaves(&io, &mut departure).await;
    }
}
