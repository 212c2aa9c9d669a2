//! Where the Admin API listens: taken over from the process before, or opened.

use super::error::ServeError;
use super::options::Options;
use super::takeover::{Taker, Use};
use gateway::Listening;
use std::net::{SocketAddr, TcpListener};

/// The listeners that the settings ask for.
pub(super) fn open(
    options: &mut Options,
    mut taker: Option<&mut Taker>,
) -> Result<Vec<(Use, Listening)>, ServeError> {
    let (settings, passed) = (&options.prepared.settings.admin, &mut options.passed);
    let wanted = [(Use::Admin, settings.listen), (Use::AdminTls, settings.tls_listen)];
    let mut listeners = Vec::new();
    for (purpose, asked) in wanted {
        let Some(asked) = asked.address() else { continue };
        let handed = taker.as_mut().map(|taker| taker.estate.take(purpose)).unwrap_or_default();
        let handed = passed.join(&[asked], handed).map_err(ServeError::Sockets)?;
        let same = |listening: &Listening| listening.asked == asked || listening.address == asked;
        let listening = match handed.into_iter().find(same) {
            Some(listening) => Listening { asked, ..listening },
            None => bind(asked).map_err(|source| ServeError::AdminListen { address: asked, source })?,
        };
        listeners.push((purpose, listening));
    }
    Ok(listeners)
}

fn bind(asked: SocketAddr) -> std::io::Result<Listening> {
    // The standard library's listener may be bound again at once after a restart, as tokio's.
    let listener = TcpListener::bind(asked)?;
    listener.set_nonblocking(true)?;
    Ok(Listening { asked, address: listener.local_addr()?, sockets: vec![listener] })
}
