//! The handshake of a client's connection: bounded in time and in number, and ended with an alert that says why.

use super::profile::HTTP2;
use super::{Profile, Session, failure};
use crate::client::{Client, ClientIo, linger};
use crate::request::Connection;
use crate::worker::Worker;
use model::reason::HandshakeReason;
use rustls::server::Acceptor;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

/// A fatal alert, unrecognized_name, in a record of its own (RFC 8446, section 6; RFC 6066, section 3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// A handshake that failed.
struct Failed {
    error: io::Error,
    /// The socket, if there is something to be heard on it.
    socket: Option<TcpStream>,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed { error, socket: None }
    }
}

/// A connection that has begun to speak TLS.
pub(crate) struct Accepted {
    pub(crate) io: Box<TlsStream<TcpStream>>,
    /// HTTP/2 was agreed on.
    pub(crate) http2: bool,
}

/// Does the handshake of a connection, whose `Connection` knows of it then. `None`: it failed, and the client was told
/// as far as TLS can.
pub(crate) async fn accept(
    worker: &Worker,
    socket: TcpStream,
    connection: &mut Connection,
) -> Option<Accepted> {
    let timer = Rc::new(worker.timers.timer());
    timer.arm(worker.settings.handshake_timeout_ms);
    let handshake = async {
        // Until it says something it is like any idle connection: nothing is counted, and nothing is held for it.
        socket.peek(&mut [0]).await?;
        let counted = worker.handshakes.begin(&timer, worker.timers.now());
        let _counted = counted.ok_or_else(|| failure::refused(HandshakeReason::TooMany))?;
        handshake(worker, socket).await
    };
    match timer.within(handshake).await {
        Ok(Ok((stream, profile))) => {
            worker.totals().handshake_done();
            let tls = stream.get_ref().1;
            let http2 = tls.alpn_protocol() == Some(HTTP2);
            connection.secure(Session::new(&profile, tls));
            Some(Accepted { io: Box::new(stream), http2 })
        }
        Ok(Err(Failed { error, socket })) => {
            let reason = failure::reason(&error);
            tracing::debug!(client = %connection.peer, %error, reason = reason.name(), "TLS handshake failed");
            worker.totals().handshake_failed(reason);
            if let Some(socket) = socket.filter(|_| reason != HandshakeReason::ClientClosed) {
                // The client may have sent more already: a socket that is closed over bytes that nobody read is reset, and the
                // alert that says why is lost with it.
                let (input, timer) = (worker.buffers.buffer(), worker.timers.timer());
                linger(&mut Client { io: ClientIo::Plain(socket), input, timer }).await;
            }
            None
        }
        Err(_) => {
            tracing::debug!(client = %connection.peer, "TLS handshake took too long, or for so long that it made room");
            worker.totals().handshake_failed(HandshakeReason::Timeout);
            None
        }
    }
}

async fn handshake(
    worker: &Worker,
    socket: TcpStream,
) -> Result<(TlsStream<TcpStream>, Arc<Profile>), Failed> {
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), socket);
    let start = match (&mut acceptor).await {
        Ok(start) => start,
        Err(error) => return Err(Failed { error, socket: acceptor.take_io() }),
    };
    let profile = {
        let hello = start.client_hello();
        worker.table().tls().for_client(hello.server_name()).cloned()
    };
    let Some(profile) = profile else { return Err(refuse_name(start).await) };
    let accepting = start.into_stream(Arc::clone(&profile.config)).into_fallible();
    match accepting.await {
        Ok(stream) => Ok((stream, profile)),
        Err((error, socket)) => Err(Failed { error, socket: Some(socket) }),
    }
}

/// Tells a client that its name, or that it named none, leads nowhere.
async fn refuse_name(mut start: StartHandshake<TcpStream>) -> Failed {
    // Whether it hears of it or not, the connection ends.
    let _ = start.io.write_all(&UNRECOGNIZED_NAME).await;
    Failed { error: failure::refused(HandshakeReason::UnknownName), socket: Some(start.io) }
}
