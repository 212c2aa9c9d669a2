//! A TCP connection to a node: its addresses are tried in turn, the next one as soon as one fails or is slow
//! (RFC 8305, section 5), so that one dead address costs a moment and not the whole time for connecting.

use super::name::Name;
use super::resolve::{Resolver, Wanted};
use crate::clock;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long an address is waited for alone (RFC 8305, section 8).
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// Most addresses of a name that one connection tries.
const MAX_ADDRESSES: usize = 16;

/// Where a connection leads to that was made by a name.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    name: Rc<Name>,
    ip: IpAddr,
}

impl Origin {
    /// Its address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The address whose turn it is, if the name has several.
    pub(crate) fn next(&self) -> Option<IpAddr> {
        self.name.next()
    }

    /// Whether the name leads elsewhere now: new requests must not use the connection.
    pub(crate) fn has_left(&self) -> bool {
        !self.name.has(self.ip)
    }
}

/// Connects to `address`, or where there is none, to an address of `host` as it is `wanted`. The caller bounds the time.
///
/// # Errors
/// When the name cannot be resolved, or no address takes the connection; what is said is of the last one.
pub(crate) async fn dial(
    resolver: &Rc<Resolver>,
    host: &str,
    port: u16,
    address: Option<SocketAddr>,
    wanted: Wanted,
) -> io::Result<(TcpStream, Option<Origin>)> {
    if let Some(address) = address {
        return Ok((TcpStream::connect(address).await?, None));
    }
    let name = resolver.name(host);
    let addresses = resolver.addresses(&name, wanted).await?;
    let failure = match connect_any(&name, &addresses, port).await {
        Ok((socket, ip)) => return Ok((socket, Some(Origin { name, ip }))),
        Err(failure) => failure,
    };
    // What was known may be out of date: a service that moved is better asked for than given up.
    resolver.ask_again(&name).await;
    let mut new = resolver.addresses(&name, wanted).await?;
    new.retain(|ip| !addresses.contains(ip));
    if new.is_empty() {
        return Err(failure);
    }
    let (socket, ip) = connect_any(&name, &new, port).await?;
    Ok((socket, Some(Origin { name, ip })))
}

/// The first connection that comes about. Addresses that did not take one in time are asked last for a while.
async fn connect_any(name: &Name, addresses: &[IpAddr], port: u16) -> io::Result<(TcpStream, IpAddr)> {
    let mut left = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).take(MAX_ADDRESSES);
    let mut under_way = JoinSet::new();
    let mut waiting = Vec::new();
    let mut failure = io::ErrorKind::NotFound.into();
    loop {
        match left.next() {
            Some(address) => {
                waiting.push(address);
                under_way.spawn_local(async move { (address, TcpStream::connect(address).await) });
            }
            None if under_way.is_empty() => return Err(failure),
            None => {}
        }
        let result = tokio::select! {
            Some(Ok(result)) = under_way.join_next() => result,
            () = clock::pause(NEXT_AFTER), if left.len() > 0 => continue,
            else => return Err(failure),
        };
        let (address, connected) = result;
        waiting.retain(|other| *other != address);
        match connected {
            Ok(socket) => {
                // Those that were asked before and are still silent.
                waiting.iter().for_each(|address| name.failed(*address, clock::now()));
                name.took(address.ip());
                return Ok((socket, address.ip()));
            }
            Err(error) => {
                name.failed(address, clock::now());
                failure = error;
            }
        }
    }
}

#[cfg(test)]
mod tests;
