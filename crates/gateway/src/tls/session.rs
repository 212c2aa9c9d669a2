//! What a client's connection has shown in its handshake, and what that opens.
//!
//! What clients must show may change while the connection is open. Then what it has shown is judged anew, once for each change:
//! what is good enough goes on, what is not is told so and has to connect again.

use super::client_auth::{ClientAuth, in_words};
use super::{Names, Profile, x509};
use crate::clock;
use crate::refusal::Refusal;
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use std::cell::RefCell;
use std::sync::Arc;

/// What a client's connection has shown in its handshake.
#[derive(Debug)]
pub(crate) struct Session {
    /// The name that the client asked for, lower case.
    pub(crate) server_name: Option<Box<str>>,
    version: Option<ProtocolVersion>,
    cipher: Option<&'static str>,
    /// The certificate whose key the client holds, and what came with it; empty: it was not asked for one, or has none.
    chain: Box<[CertificateDer<'static>]>,
    judged: RefCell<Judged>,
}

/// How a client stands with what is asked of it.
#[derive(Debug)]
struct Judged {
    /// By what it was judged last.
    by: Arc<Profile>,
    /// Why its certificate is not good, if it is not.
    fault: Option<String>,
    /// What is asked has changed since the handshake, and what it has shown is not enough any more.
    outdated: bool,
}

impl Judged {
    /// Of a connection that was open when `profile` became what it is.
    fn anew(profile: &Arc<Profile>, auth: &ClientAuth, chain: &[CertificateDer<'static>]) -> Judged {
        let fault = chain.split_first().and_then(|(first, rest)| fault(auth, first, rest));
        let outdated = chain.is_empty() || fault.is_some();
        tracing::debug!(ssl = profile.ssl.id, ?fault, outdated, "a client was judged by what is asked now");
        Judged { by: Arc::clone(profile), fault, outdated }
    }

    /// Whether it is by this that the client was judged.
    fn is_by(&self, auth: &Arc<ClientAuth>) -> bool {
        self.by.client_auth.as_ref().is_some_and(|own| Arc::ptr_eq(own, auth))
    }
}

/// Why a certificate is not good, if it is not.
fn fault(auth: &ClientAuth, first: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Option<String> {
    auth.check(first, rest, clock::wall()).err().map(|error| in_words(&error))
}

impl Session {
    /// Of a connection whose handshake is done.
    pub(super) fn new(profile: &Arc<Profile>, tls: &ServerConnection) -> Session {
        let auth = profile.client_auth.as_ref();
        let chain = auth.and_then(|_| tls.peer_certificates()).unwrap_or_default();
        // A session that is resumed is not looked at in the handshake, and its certificate may have run out.
        let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let unchecked = auth.filter(|auth| !auth.decides() || resumed).zip(chain.split_first());
        let fault = unchecked.and_then(|(auth, (first, rest))| fault(auth, first, rest));
        Session {
            server_name: tls.server_name().map(|name| name.to_ascii_lowercase().into()),
            version: tls.protocol_version(),
            cipher: tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            chain: chain.into(),
            judged: RefCell::new(Judged { by: Arc::clone(profile), fault, outdated: false }),
        }
    }

    /// Whether a request for `host` and `path` may come over this connection.
    ///
    /// # Errors
    /// 421 if the host asks clients for what this connection was not asked for, or does not go with what it has shown any more
    /// (RFC 9110, section 15.5.20), 400 if the client did not show it (as APISIX).
    pub(crate) fn admits(&self, names: &Names, host: &str, path: &[u8]) -> Result<(), Refusal> {
        if !names.asks_clients() {
            return Ok(());
        }
        let Some(profile) = names.find(host) else { return Ok(()) };
        let Some(auth) = profile.client_auth.as_ref() else { return Ok(()) };
        let is_judged = self.judged.borrow().is_by(auth) || self.judge(profile, auth, host);
        if auth.skips(path) {
            return Ok(());
        }
        let judged = self.judged.borrow();
        match &judged.fault {
            _ if !is_judged => Err(Refusal::Misdirected),
            _ if judged.outdated => Err(Refusal::ClientRuleChanged),
            _ if self.chain.is_empty() => Err(Refusal::ClientCertificateMissing),
            Some(_) => Err(Refusal::ClientCertificateInvalid),
            None => Ok(()),
        }
    }

    /// Judges what the client has shown by what its own host asks now, which is not what it was judged by before. Gives whether
    /// it is its own host: what others ask it was never asked for.
    #[cold]
    fn judge(&self, profile: &Arc<Profile>, auth: &ClientAuth, host: &str) -> bool {
        let mut judged = self.judged.borrow_mut();
        // By the name that it asked for, or by the SSL resource that its certificate is of.
        let is_own = self.server_name.as_deref() == Some(host) || judged.by.ssl.id == profile.ssl.id;
        if is_own {
            *judged = Judged::anew(profile, auth, &self.chain);
        }
        is_own
    }

    /// Whether the client has to connect again before it gets in.
    pub(crate) fn is_outdated(&self) -> bool {
        self.judged.borrow().outdated
    }

    /// A variable of this connection by nginx's name (ngx_http_ssl_module).
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let certificate = self.chain.first();
        let fields = || x509::read(certificate?);
        match name {
            "ssl_server_name" => self.server_name.as_deref().map(str::to_owned),
            "ssl_protocol" => Some(version_name(self.version?).to_owned()),
            "ssl_cipher" => self.cipher.map(str::to_owned),
            "ssl_client_verify" => Some(match &self.judged.borrow().fault {
                _ if self.chain.is_empty() => "NONE".to_owned(),
                None => "SUCCESS".to_owned(),
                Some(fault) => format!("FAILED:{fault}"),
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
