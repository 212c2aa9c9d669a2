//! A client that speaks TLS by rustls and HTTP/1.1 by hand.

use super::World;
use super::issuer::{Authority, Issued};
use std::io;
use std::sync::Arc;
use testkit::clock::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version,
};

/// How a client speaks TLS. Clones share sessions that can be resumed.
#[derive(Clone)]
pub(super) struct Manner(Arc<ClientConfig>);

impl Manner {
    /// Trusts an authority.
    pub(super) fn trusting(authority: &Authority) -> Manner {
        Manner::of(authority, None, &[&version::TLS13, &version::TLS12])
    }

    /// Shows a certificate, too.
    pub(super) fn showing(authority: &Authority, certificate: &Issued) -> Manner {
        Manner::of(authority, Some(certificate), &[&version::TLS13, &version::TLS12])
    }

    pub(super) fn of(
        authority: &Authority,
        certificate: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Manner {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match certificate {
            None => config.with_no_client_auth(),
            Some(issued) => {
                let chain =
                    CertificateDer::pem_slice_iter(issued.cert.as_bytes()).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Manner(Arc::new(config))
    }

    /// The same with changes.
    pub(super) fn with(&self, change: impl FnOnce(&mut ClientConfig)) -> Manner {
        let mut config = (*self.0).clone();
        change(&mut config);
        Manner(Arc::new(config))
    }

    /// Connects and asks for a name. In TLS 1.3 a server's refusal of a client's certificate shows with the first read.
    pub(super) async fn connect(&self, world: &World, name: &str) -> io::Result<Client> {
        let socket = TcpStream::connect(world.gate.address()).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connecting = TlsConnector::from(Arc::clone(&self.0)).connect(name, socket);
        within("a handshake", connecting).await.map(Client)
    }

    /// One request on a connection of its own, whose `Host` is the name that was asked for.
    pub(super) async fn ask(&self, world: &World, name: &str) -> io::Result<Answer> {
        self.connect(world, name).await?.ask(name, "/").await
    }
}

/// A connection.
pub(super) struct Client(pub(super) TlsStream<TcpStream>);

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    /// It says that the connection ends.
    pub(super) closes: bool,
}

impl Client {
    /// A GET; the connection stays open.
    pub(super) async fn ask(&mut self, host: &str, path: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        within("an exchange", async {
            self.0.write_all(request.as_bytes()).await?;
            self.answer().await
        })
        .await
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await?;
        Ok(Answer {
            status: head[9..12].parse().unwrap(),
            body: String::from_utf8_lossy(&body).into_owned(),
            closes: head.contains("\r\nconnection: close\r\n"),
        })
    }

    /// The PEM of the certificate that the server has shown.
    pub(super) fn certificate(&self) -> Vec<u8> {
        self.0.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    pub(super) fn version(&self) -> ProtocolVersion {
        self.0.get_ref().1.protocol_version().unwrap()
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.0.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

/// The first certificate of a PEM text, as it is sent.
pub(super) fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap().to_vec()
}

/// A client of TLS 1.2 with other algorithms.
pub(super) fn rebuilt(
    authority: &Authority,
    provider: tokio_rustls::rustls::crypto::CryptoProvider,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
