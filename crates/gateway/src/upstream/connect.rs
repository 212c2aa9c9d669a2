//! A new connection to a node.

use super::dial::{Origin, dial};
use super::io::UpstreamIo;
use super::pool::UpstreamConnection;
use super::resolve::{Resolver, Wanted};
use super::tls::Connectors;
use crate::socket;
use crate::table::{Node, Target};
use model::upstream::{PassHost, Protocol, Scheme};
use rustls::pki_types::ServerName;
use std::io;
use std::rc::Rc;
use tokio::net::TcpStream;

/// Connects to a node: resolves its name, tries its addresses in turn, speaks TLS if the scheme says so.
pub(crate) async fn connect(
    resolver: &Rc<Resolver>,
    tls: &Connectors,
    target: &Target,
    node: &Node,
    client_host: &str,
    wanted: Wanted,
) -> io::Result<UpstreamConnection> {
    let (socket, origin) = dial(resolver, &node.host, node.port, node.address, wanted).await?;
    let peer = origin.as_ref().map(Origin::ip).or(node.address.map(|address| address.ip()));
    socket::prepare(&socket, peer)?;
    let io = match target.scheme {
        Scheme::Https | Scheme::Grpcs => {
            UpstreamIo::Tls(Box::new(handshake(socket, tls, target, node, client_host).await?))
        }
        Scheme::Http | Scheme::Grpc | Scheme::Unsupported => UpstreamIo::Plain(socket),
    };
    let name = target.name_by_client(client_host).map(Box::from);
    Ok(UpstreamConnection { io, origin, name, requests: 0, reused: false })
}

/// The name that is asked for and checked is the one that `Host` says (APISIX §2.5).
async fn handshake(
    socket: TcpStream,
    tls: &Connectors,
    target: &Target,
    node: &Node,
    client_host: &str,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = match &target.pass_host {
        PassHost::Node => node.host.as_str(),
        PassHost::Rewrite(host) => crate::health::bare(host),
        PassHost::Pass => client_host,
    };
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connector = tls.connector(target.verify);
    let offered: &[&[u8]] = match target.protocol {
        Protocol::Http1 => &[],
        Protocol::Http2 => &[b"h2"],
        Protocol::Negotiated => &[b"h2", b"http/1.1"],
    };
    let offered = offered.iter().map(|protocol| protocol.to_vec()).collect();
    connector.with_alpn(offered).connect(name, socket).await
}
