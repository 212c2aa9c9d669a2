//! What a client's connection has shown in its handshake, and what that opens.

use super::client_auth::ClientAuth;
use super::{Names, Profile, x509};
use crate::clock;
use crate::refusal::Refusal;
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use std::sync::Arc;

/// What a client's connection has shown in its handshake.
#[derive(Debug)]
pub(crate) struct Session {
    /// The name that the client asked for, lower case.
    pub(crate) server_name: Option<Box<str>>,
    version: Option<ProtocolVersion>,
    cipher: Option<&'static str>,
    /// What was asked of it.
    auth: Option<Arc<ClientAuth>>,
    client: Option<ClientCertificate>,
}

/// A certificate whose key the client holds.
#[derive(Debug)]
struct ClientCertificate {
    certificate: CertificateDer<'static>,
    /// Why it is not good, if it is not.
    fault: Option<String>,
}

impl Session {
    /// Of a connection whose handshake is done.
    pub(super) fn new(profile: &Profile, tls: &ServerConnection) -> Session {
        let client = profile.client_auth.as_ref().and_then(|auth| {
            let (certificate, intermediates) = tls.peer_certificates()?.split_first()?;
            // A session that is resumed is not looked at in the handshake, and its certificate may have run out.
            let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
            let is_checked = auth.decides() && !resumed;
            let check = || auth.check(certificate, intermediates, clock::wall()).err();
            let fault = if is_checked { None } else { check() };
            let certificate = certificate.clone().into_owned();
            Some(ClientCertificate { certificate, fault: fault.map(|error| error.to_string()) })
        });
        Session {
            server_name: tls.server_name().map(|name| name.to_ascii_lowercase().into()),
            version: tls.protocol_version(),
            cipher: tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            auth: profile.client_auth.clone(),
            client,
        }
    }

    /// Whether a request for `host` and `path` may come over this connection.
    ///
    /// # Errors
    /// 421 if the host asks clients for what this connection was not asked for (RFC 9110, section 15.5.20), 400 if the
    /// client did not show it (as APISIX).
    pub(crate) fn admits(&self, names: &Names, host: &str, path: &[u8]) -> Result<(), Refusal> {
        if !names.asks_clients() {
            return Ok(());
        }
        let Some(auth) = names.find(host).and_then(|profile| profile.client_auth.as_ref()) else {
            return Ok(());
        };
        if auth.skips(path) {
            return Ok(());
        }
        if !self.auth.as_ref().is_some_and(|own| Arc::ptr_eq(own, auth)) {
            return Err(Refusal::Misdirected);
        }
        match &self.client {
            Some(ClientCertificate { fault: None, .. }) => Ok(()),
            Some(_) => Err(Refusal::ClientCertificateInvalid),
            None => Err(Refusal::ClientCertificateMissing),
        }
    }

    /// A variable of this connection by nginx's name (ngx_http_ssl_module).
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let certificate = self.client.as_ref().map(|client| &client.certificate);
        let fields = || x509::read(certificate?);
        match name {
            "ssl_server_name" => self.server_name.as_deref().map(str::to_owned),
            "ssl_protocol" => Some(version_name(self.version?).to_owned()),
            "ssl_cipher" => self.cipher.map(str::to_owned),
            "ssl_client_verify" => Some(match &self.client {
                None => "NONE".to_owned(),
                Some(ClientCertificate { fault: None, .. }) => "SUCCESS".to_owned(),
                Some(ClientCertificate { fault: Some(fault), .. }) => format!("FAILED:{fault}"),
            }),
            "ssl_client_s_dn" => fields().map(|fields| fields.subject),
            "ssl_client_i_dn" => fields().map(|fields| fields.issuer),
            "ssl_client_serial" => fields().map(|fields| fields.serial),
            "ssl_client_fingerprint" => certificate.map(|certificate| fingerprint(certificate)),
            _ => None,
        }
    }
}

/// SHA-1, as nginx has it: a name for a certificate, not a proof of one.
fn fingerprint(certificate: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As OpenSSL names them.
fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "",
    }
}
