//! Lets a client without TLS speak HTTP/2 over TLS: each connection to the bridge becomes one to the gate, byte by byte.

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;

/// A running bridge. Its connections end with it.
pub(crate) struct TlsBridge {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl TlsBridge {
    /// To a gate that shows the world's `cert.pem` to who asks for `localhost`.
    pub(crate) async fn to(gate: SocketAddr, world: &Path) -> TlsBridge {
        let certificate = rustls::pki_types::CertificateDer::from_pem_file(world.join("cert.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, gate, TlsConnector::from(Arc::new(config))));
        TlsBridge { address, accepting }
    }

    /// Where it takes connections without TLS.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TlsBridge {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, gate: SocketAddr, connector: TlsConnector) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let connector = connector.clone();
        connections.spawn(async move {
            client.set_nodelay(true).unwrap();
            let server = TcpStream::connect(gate).await.unwrap();
            server.set_nodelay(true).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let mut server = connector.connect(name, server).await.unwrap();
            assert_eq!(server.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            // How it ends is what the client finds.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
