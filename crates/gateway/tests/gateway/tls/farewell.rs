//! A client that is refused in the handshake hears why, though it has sent more by then.

use super::World;
use super::issuer::{Authority, asking};
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use testkit::clock::{eventually, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, ClientConfig, ClientConnection, Error, RootCertStore, version};

/// Far more than is read at a time.
const SENT_AT_ONCE: usize = 200_000;

#[tokio::test]
async fn a_client_without_a_certificate_that_has_sent_its_request_already_reads_the_alert() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let ssl = asking(servers.server(&["a.test"]).ssl("a", &["a.test"]), &clients, &json!({}));
    let world = World::new(&[ssl]).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(servers.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("a.test").unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    tls.set_buffer_limit(None);
    let mut socket = TcpStream::connect(world.gate.address()).await.unwrap();
    let mut flight = Vec::new();
    tls.write_tls(&mut flight).unwrap();
    socket.write_all(&flight).await.unwrap();
    while tls.is_handshaking() {
        let mut read = [0; 4_096];
        let count = within("the server's flight", socket.read(&mut read)).await.unwrap();
        tls.read_tls(&mut &read[..count]).unwrap();
        tls.process_new_packets().unwrap();
    }
    // The end of the handshake and all that follows, in one go.
    tls.writer().write_all(&vec![b'x'; SENT_AT_ONCE]).unwrap();
    let mut flight = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut flight).unwrap();
    }
    within("the client's flight", socket.write_all(&flight)).await.unwrap();
    let mut rest = Vec::new();
    // Up to an end, and not to a reset.
    within("the end", socket.read_to_end(&mut rest)).await.unwrap();
    tls.read_tls(&mut rest.as_slice()).unwrap();
    let refused = tls.process_new_packets().unwrap_err();
    assert_eq!(refused, Error::AlertReceived(AlertDescription::CertificateRequired));
    drop(socket);
    eventually("the end of the connection", async || {
        world.gate.gateway.totals().snapshot().connections_open == 0
    })
    .await;
}
