//! What of a resource will not be as it says, though it is right: certificates that clients or nodes would refuse, versions of TLS
//! that are not spoken, labels that say no time, keys of hashing that find nothing.
//!
//! For whoever writes it, in the Admin API or in a file, and would else learn it from clients. Pure: what depends on other resources
//! stands elsewhere.

mod hash_key;

use crate::pem;
use model::label;
use model::resource::Kind;
use model::ssl::{Protocol, Ssl, Usage};
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use serde_json::Value;
use std::time::Duration;

/// The most names that a certificate does not have that are told.
const MAX_NAMES: usize = 8;

/// One thing that its writer should hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Where, as a JSON pointer into the resource.
    pub pointer: String,
    /// What will be otherwise than it says, and what to do.
    pub text: String,
}

/// What the writer of a resource should hear; its certificates are judged by the time `now_s`, seconds since the Unix epoch.
/// Nothing for an SSL resource that is switched off.
#[must_use]
pub fn of(kind: Kind, value: &Value, now_s: i64) -> Vec<Advice> {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now_s).unwrap_or(0)));
    if kind == Kind::Ssl {
        return of_ssl(&Ssl::from_value(value), now);
    }
    let labels = label::wrong(kind, value).into_iter();
    let mut advice: Vec<_> =
        labels.map(|label::WrongLabel { pointer, text }| Advice { pointer, text }).collect();
    pem::client_certificates(value, "", &mut |pointer, cert| {
        let told = fault(cert, now).map(|fault| Advice {
            pointer: pointer.to_owned(),
            text: format!("the certificate in tls.client_cert {fault}: nodes that verify it will refuse it"),
        });
        advice.extend(told);
    });
    advice.extend(hash_key::of(value, ""));
    advice
}

fn of_ssl(ssl: &Ssl, now: UnixTime) -> Vec<Advice> {
    if !ssl.enabled {
        return Vec::new();
    }
    let mut advice = Vec::new();
    for (place, pair) in ssl.pairs.iter().enumerate() {
        let (which, pointer) = match place {
            0 => ("cert".to_owned(), "/cert".to_owned()),
            place => (format!("certs[{}]", place - 1), format!("/certs/{}", place - 1)),
        };
        let is_served = ssl.usage == Usage::Server;
        let missing = || names_missing(&pair.cert, &ssl.snis).filter(|_| is_served);
        if let Some(fault) = fault(&pair.cert, now).or_else(missing) {
            let text = format!("the certificate in {which} {fault}: who verifies it will refuse it");
            advice.push(Advice { pointer, text });
        }
    }
    advice.extend(of_protocols(ssl).filter(|_| ssl.usage == Usage::Server));
    advice
}

/// What is wrong with a certificate whoever looks at it; it reads on after its place.
fn fault(cert: &str, now: UnixTime) -> Option<String> {
    let date = |time: UnixTime| {
        let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX)
    };
    match verified(cert, now)? {
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(format!("has expired at {}", date(not_after)))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Some(format!("is not valid before {}", date(not_before)))
        }
        CertificateError::Expired => Some("has expired".to_owned()),
        CertificateError::NotValidYet => Some("is not valid yet".to_owned()),
        CertificateError::Other(other) if is_of_authority(&other) => Some(
            "is one of an authority (CA:TRUE; openssl req -x509 makes that unless told -addext \
             basicConstraints=critical,CA:FALSE)"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What is wrong with a certificate, the time before anything else. That nobody is trusted here is expected.
fn verified(cert: &str, now: UnixTime) -> Option<CertificateError> {
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

fn is_of_authority(fault: &rustls::OtherError) -> bool {
    matches!(fault.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The names that a certificate is to be shown for and does not have.
fn names_missing(cert: &str, names: &[String]) -> Option<String> {
    let leaf = pem::leaf(cert)?;
    let parsed = ParsedCertificate::try_from(&leaf).ok()?;
    let is_missing = |name: &&String| {
        // Any name that the pattern stands for is as good as another one.
        let one = ServerName::try_from(name.replacen('*', "any", 1));
        one.is_ok_and(|one| verify_server_name(&parsed, &one).is_err())
    };
    let missing: Vec<&str> = names.iter().filter(is_missing).map(String::as_str).collect();
    let mut shown: Vec<String> = missing.iter().take(MAX_NAMES).map(|name| (*name).to_owned()).collect();
    match missing.len() {
        0 => return None,
        count if count > MAX_NAMES => shown.push(format!("{} more", count - MAX_NAMES)),
        _ => {}
    }
    Some(format!("is not for {} (subjectAltName counts, the common name does not)", shown.join(", ")))
}

/// Versions of TLS that are not spoken (RFC 8996).
fn of_protocols(ssl: &Ssl) -> Option<Advice> {
    let is_old = |protocol: &&Protocol| **protocol == Protocol::Tls11;
    let text = match ssl.protocols.iter().filter(is_old).count() {
        0 => return None,
        old if old == ssl.protocols.len() => {
            "none of its ssl_protocols is spoken: its names are not served until TLSv1.2 or TLSv1.3 is among them"
        }
        _ => "TLSv1.1 is not spoken: clients get the others of its ssl_protocols",
    };
    Some(Advice { pointer: "/ssl_protocols".to_owned(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use serde_json::json;

    /// In the year 2030.
    const NOW_S: i64 = 1_900_000_000;

    fn issued(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn told(kind: Kind, value: &Value) -> Vec<(String, String)> {
        of(kind, value, NOW_S).into_iter().map(|one| (one.pointer, one.text)).collect()
    }

    fn ssl(cert: &str, names: &[&str]) -> Value {
        json!({"snis": names, "cert": cert, "key": "k"})
    }

    #[test]
    fn a_certificate_that_is_right_is_passed_over_in_silence() {
        let cert = issued(&["a.test", "*.b.test"], |_| {});
        assert_eq!(told(Kind::Ssl, &ssl(&cert, &["a.test", "*.b.test", "x.b.test"])), []);
    }

    #[test]
    fn names_that_a_certificate_does_not_have_are_told() {
        let cert = issued(&["a.test"], |_| {});
        let found = told(Kind::Ssl, &ssl(&cert, &["a.test", "b.test", "*.a.test"]));
        assert_eq!(found.len(), 1);
        assert!(found[0].0 == "/cert" && found[0].1.contains("is not for b.test, *.a.test"), "{found:?}");
        let mut of_clients = ssl(&cert, &["b.test"]);
        of_clients["type"] = json!("client");
        assert_eq!(told(Kind::Ssl, &of_clients), [], "no client asks for a name there");
    }

    #[test]
    fn the_certificate_of_an_authority_is_told_with_the_way_out() {
        let cert = issued(&["a.test"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        let found = told(Kind::Ssl, &ssl(&cert, &["a.test"]));
        assert!(found.len() == 1 && found[0].1.contains("basicConstraints=critical,CA:FALSE"), "{found:?}");
        let mut off = ssl(&cert, &["a.test"]);
        off["status"] = json!(0);
        assert_eq!(told(Kind::Ssl, &off), []);
    }

    #[test]
    fn an_expired_certificate_of_ours_is_told_wherever_its_upstream_stands() {
        let cert = issued(&["gate"], |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        });
        let upstream = json!({"nodes": {"a:1": 1}, "tls": {"client_cert": cert, "client_key": "k"}});
        assert_eq!(told(Kind::Upstream, &upstream)[0].0, "/tls/client_cert");
        let found = told(Kind::Route, &json!({ "upstream": upstream }));
        assert_eq!(found[0].0, "/upstream/tls/client_cert");
        assert!(found[0].1.contains("has expired at 2002-01-01T00:00:00Z"), "{found:?}");
    }

    #[test]
    fn a_label_that_says_no_time_is_told() {
        let route = json!({"labels": {"tealgate.total_timeout_ms": "500ms"}});
        assert_eq!(told(Kind::Route, &route)[0].0, "/labels/tealgate.total_timeout_ms");
    }
}
