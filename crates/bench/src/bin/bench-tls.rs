//! `bench-tls requests|handshakes PORT WORKLOAD SECONDS CONNECTIONS PID,PID,...`: the closed-loop load generator for
//! HTTP/1.1 over TLS 1.3. `requests` keeps its connections; `handshakes` makes a new one for each request, without
//! resuming a session.
//!
//! It offers one cipher suite and one group, so that all proxies do the same cryptography.
#![forbid(unsafe_code)]

use bench::arguments::Arguments;
use bench::keys::Keys;
use bench::spin::{self, SharedTally};
use bench::workload::{Request, Workload};
use bench::{clock, message};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const USAGE: &str = "bench-tls requests|handshakes PORT WORKLOAD SECONDS CONNECTIONS PID,PID,...";

fn main() -> io::Result<()> {
    let keeps = match std::env::args().nth(1).as_deref() {
        Some("requests") => true,
        Some("handshakes") => false,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("usage: {USAGE}"))),
    };
    let arguments = Arguments::read_after(1, USAGE, false)?;
    let connector = TlsConnector::from(Arc::new(config()?));
    let Arguments { port, workload, connections, .. } = arguments;
    let report = spin::measure(arguments.time, &arguments.processes, async |tally| {
        let expected: Rc<[u8]> = workload.response_body().into();
        for number in 0..connections {
            let task = Task { connector: connector.clone(), port, expected: Rc::clone(&expected), keeps };
            spawn_local(drive(task, workload, number, Rc::clone(&tally)));
        }
        Ok(())
    })?;
    println!("{report}");
    Ok(())
}

/// One of the connections that are open at all times.
struct Task {
    connector: TlsConnector,
    port: u16,
    expected: Rc<[u8]>,
    keeps: bool,
}

/// Sends one request after the other, on one connection or on one each.
async fn drive(task: Task, workload: Workload, number: usize, tally: SharedTally) {
    let mut request = Request::new(workload, task.port, Keys::of(number));
    let mut open: Option<TlsStream<TcpStream>> = None;
    loop {
        let began = clock::now();
        match ask(&task, &request, open.take()).await {
            Ok(stream) => {
                tally.borrow_mut().whole(began);
                open = task.keeps.then_some(stream);
            }
            Err(error) => {
                if !tally.borrow_mut().failed(&error) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
        request.change_key();
    }
}

async fn ask(
    task: &Task,
    request: &Request,
    open: Option<TlsStream<TcpStream>>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut stream = match open {
        Some(stream) => stream,
        None => {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, task.port)).await?;
            socket.set_nodelay(true)?;
            let name = ServerName::try_from("bench.test").map_err(io::Error::other)?;
            task.connector.connect(name, socket).await?
        }
    };
    stream.write_all(request.bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(2 * task.expected.len() + 1_024);
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::other("the connection was closed"));
        }
        let Some(head) = message::head(&answer) else { continue };
        let whole = answer.starts_with(b"HTTP/1.1 200 ") && head.body_length == task.expected.len();
        let body = answer.get(head.length..).unwrap_or_default();
        if !whole || task.expected.get(..body.len()) != Some(body) {
            return Err(io::Error::other("the answer is another one"));
        }
        if body.len() == task.expected.len() {
            return Ok(stream);
        }
    }
}

fn config() -> io::Result<ClientConfig> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any certificate, and checks that the server has its key: what a client thinks of the certificate is not what
/// is measured.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 was not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
