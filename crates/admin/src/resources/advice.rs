//! What of an SSL resource that was written will not be as it says: for the writer, who would else learn it from clients.

use crate::clock;
use crate::pem;
use crate::resources::view::{self, Shown};
use crate::state::AdminState;
use crate::wire::problem::Problem;
use model::resource::Kind;
use model::ssl::{Protocol, Ssl, Usage};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::UnixTime;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use serde_json::Value;
use std::time::Duration;

/// What the writer should hear; nothing for other resources and for what is switched off.
pub(crate) async fn of_ssl(state: &AdminState, written: &Shown) -> Result<Vec<String>, Problem> {
    if written.kind != Kind::Ssl {
        return Ok(Vec::new());
    }
    let ssl = Ssl::from_value(&written.value);
    if !ssl.enabled {
        return Ok(Vec::new());
    }
    let mut advice = of_validity(&ssl, clock::unix_s());
    if ssl.usage == Usage::Server {
        advice.extend(of_protocols(&ssl));
        advice.extend(of_names(state, &ssl, written).await?);
    }
    Ok(advice)
}

/// Certificates outside of the time for which they are valid.
fn of_validity(ssl: &Ssl, now_s: i64) -> Vec<String> {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now_s).unwrap_or(0)));
    let date = |time: UnixTime| {
        let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX)
    };
    let fault = |cert: &str| match validity(cert, now)? {
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(format!("has expired at {}", date(not_after)))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Some(format!("is not valid before {}", date(not_before)))
        }
        CertificateError::Expired => Some("has expired".to_owned()),
        CertificateError::NotValidYet => Some("is not valid yet".to_owned()),
        _ => None,
    };
    let told = |(place, cert): (usize, &str)| {
        let which = match place {
            0 => "cert".to_owned(),
            place => format!("certs[{}]", place - 1),
        };
        fault(cert).map(|fault| format!("the certificate in {which} {fault}: who verifies it will refuse it"))
    };
    ssl.pairs.iter().map(|pair| pair.cert.as_str()).enumerate().filter_map(told).collect()
}

/// What is wrong with a certificate, the time before anything else. That nobody is trusted here is expected.
fn validity(cert: &str, now: UnixTime) -> Option<CertificateError> {
    let leaf = pem::leaf(cert)?;
    let parsed = ParsedCertificate::try_from(&leaf).ok()?;
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let verified =
        verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, algorithms.all);
    match verified {
        Err(Error::InvalidCertificate(fault)) => Some(fault),
        _ => None,
    }
}

/// Versions of TLS that are not spoken (RFC 8996).
fn of_protocols(ssl: &Ssl) -> Option<String> {
    let is_old = |protocol: &&Protocol| **protocol == Protocol::Tls11;
    match ssl.protocols.iter().filter(is_old).count() {
        0 => None,
        old if old == ssl.protocols.len() => Some(
            "none of its ssl_protocols is spoken: its names are not served until TLSv1.2 or TLSv1.3 is among them"
                .to_owned(),
        ),
        _ => Some("TLSv1.1 is not spoken: clients get the others of its ssl_protocols".to_owned()),
    }
}

/// The names that clients get another certificate for. As in APISIX, two may have the same; here the older one is shown.
async fn of_names(state: &AdminState, ssl: &Ssl, written: &Shown) -> Result<Vec<String>, Problem> {
    let serves =
        |value: &Value| Some(Ssl::from_value(value)).filter(|ssl| ssl.enabled && ssl.usage == Usage::Server);
    let mut taken = Vec::new();
    for other in view::all(state, Kind::Ssl).await?.iter().filter(|other| other.created < written.created) {
        let names = serves(&other.value).map(|other| other.snis).unwrap_or_default();
        let shared = ssl.snis.iter().filter(|name| names.contains(name));
        taken.extend(shared.map(|name| format!("{name} is served by the older ssl {}", other.id)));
    }
    Ok(taken)
}
