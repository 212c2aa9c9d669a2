//! Whether the PEM texts of a resource hold what they should, with APISIX's texts (`apisix/ssl.lua`).
//!
//! Here, because `model` knows no cryptography. Nothing of what is checked is ever repeated in an error.

use model::resource::Kind;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error};
use serde_json::{Map, Value};

/// A PEM text that does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct PemError {
    /// Where, as a JSON pointer into the resource.
    pub pointer: String,
    /// What is wrong.
    pub text: String,
}

/// Checks the PEM texts of a resource that its schema has accepted and whose secrets are opened.
///
/// # Errors
/// The first that is wrong.
pub fn check(kind: Kind, value: &Value) -> Result<(), PemError> {
    match value {
        Value::Object(object) if kind == Kind::Ssl => check_ssl(object),
        value => check_client_certificates(value, ""),
    }
}

fn check_ssl(ssl: &Map<String, Value>) -> Result<(), PemError> {
    if let (Some(cert), Some(key)) = (text(ssl.get("cert")), text(ssl.get("key"))) {
        check_pair(cert, key).map_err(|fault| fault.at("/cert", "/key"))?;
    }
    let list = |name: &str| ssl.get(name).and_then(Value::as_array).into_iter().flatten();
    for (place, (cert, key)) in list("certs").zip(list("keys")).enumerate() {
        let (Some(cert), Some(key)) = (cert.as_str(), key.as_str()) else { continue };
        check_pair(cert, key).map_err(|fault| {
            let mut error = fault.at(&format!("/certs/{place}"), &format!("/keys/{place}"));
            error.text = format!("failed to handle cert-key pair[{}]: {}", place + 1, error.text);
            error
        })?;
    }
    match text(ssl.get("client").and_then(|client| client.get("ca"))) {
        Some(ca) => authorities(ca).map_err(|fault| {
            let mut error = fault.at("/client/ca", "/client/ca");
            error.text = format!("failed to validate client_cert: {}", error.text);
            error
        }),
        None => Ok(()),
    }
}

/// `tls.client_cert` and its key, wherever an upstream stands.
fn check_client_certificates(value: &Value, pointer: &str) -> Result<(), PemError> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(place, item)| check_client_certificates(item, &format!("{pointer}/{place}"))),
        Value::Object(object) => {
            let of_tls = |name: &str| text(object.get("tls")?.get(name));
            if let (Some(cert), Some(key)) = (of_tls("client_cert"), of_tls("client_key")) {
                let below = |name: &str| format!("{pointer}/tls/{name}");
                check_pair(cert, key)
                    .map_err(|fault| fault.at(&below("client_cert"), &below("client_key")))?;
            }
            object.iter().try_for_each(|(name, value)| {
                check_client_certificates(
                    value,
                    &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                )
            })
        }
        _ => Ok(()),
    }
}

/// Tells of each `tls.client_cert`, wherever an upstream stands, with its place.
pub(crate) fn client_certificates(value: &Value, pointer: &str, tell: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                client_certificates(item, &format!("{pointer}/{place}"), tell);
            }
        }
        Value::Object(object) => {
            if let Some(cert) = text(object.get("tls").and_then(|tls| tls.get("client_cert"))) {
                tell(&format!("{pointer}/tls/client_cert"), cert);
            }
            for (name, value) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                client_certificates(value, &format!("{pointer}/{name}"), tell);
            }
        }
        _ => {}
    }
}

/// The first certificate of a PEM text, if there is one.
pub(crate) fn leaf(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).next()?.ok()
}

/// What is wrong with a certificate or its key.
enum Fault {
    Cert(String),
    Key(String),
}

impl Fault {
    fn at(self, cert: &str, key: &str) -> PemError {
        match self {
            Fault::Cert(text) => PemError { pointer: cert.to_owned(), text },
            Fault::Key(text) => PemError { pointer: key.to_owned(), text },
        }
    }
}

fn check_pair(cert: &str, key: &str) -> Result<(), Fault> {
    let chain = chain(cert)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => key_fault("there is none in it that is not encrypted"),
        error => key_fault(words_of_pem(&error)),
    })?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(drop).map_err(|error| match error {
        Error::InconsistentKeys(_) => Fault::Key("the key does not belong to the cert".to_owned()),
        Error::InvalidCertificate(fault) => cert_fault(words_of_certificate(&fault)),
        _ => key_fault(
            "it is no RSA key of 2048 to 8192 bits, no ECDSA key (P-256, P-384, P-521) and no Ed25519 key",
        ),
    })
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| cert_fault(words_of_pem(&error)))?;
    if chain.is_empty() { Err(cert_fault("there is none in it")) } else { Ok(chain) }
}

/// Authorities that clients' certificates may come from.
fn authorities(pem: &str) -> Result<(), Fault> {
    let is_readable = |authority| webpki::anchor_from_trusted_cert(authority).is_ok();
    match chain(pem)?.iter().all(is_readable) {
        true => Ok(()),
        false => Err(cert_fault(UNREADABLE)),
    }
}

const UNREADABLE: &str = "it is no X.509 certificate that can be read";

fn cert_fault(words: &str) -> Fault {
    Fault::Cert(format!("failed to parse cert: {words}"))
}

fn key_fault(words: &str) -> Fault {
    Fault::Key(format!("failed to parse key: {words}"))
}

/// What is wrong with a PEM text. What the library says quotes it.
fn words_of_pem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a BEGIN line is without its END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line cannot be read",
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is no Base64",
        pem::Error::NoItemsFound => "there is none in it",
        _ => "it cannot be read",
    }
}

/// What is wrong with a certificate of ours as such.
fn words_of_certificate(fault: &CertificateError) -> &'static str {
    let of_webpki = match fault {
        CertificateError::Other(other) => other.0.downcast_ref(),
        _ => None,
    };
    match (fault, of_webpki) {
        (_, Some(webpki::Error::UnsupportedCertVersion)) => {
            "it is of an X.509 version before 3, which has no names: issue one with subjectAltName (openssl x509 -req makes that of \
             -extfile, openssl req -x509 of -addext)"
        }
        (CertificateError::UnhandledCriticalExtension, _) => {
            "it has a critical extension that is not known: issue one without it"
        }
        _ => UNREADABLE,
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;
    use serde_json::json;

    /// As `openssl x509 -req -signkey` makes it.
    const OF_VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBGDCBvwIUWQO2hh0lkboSDL9iJjFxOOGZeyswCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyMjAwNDI1NVoYDzIxMjYxMDI5MDA0MjU1WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT0R4BW/Bf5ljhB
RKr1WSm5oh/pEtxdcVv2OIu4JjmfQdpAOL6QD2fW+7yDARl3Jgi5PLn9kH/0uW8J
SFJs0bihMAoGCCqGSM49BAMCA0gAMEUCIQDdgp61rOl13zA1ppwgSI44cDefKstb
FBL+oCLbdhZaGQIgMMFaej1Xyvo39PsGP/Q8lzYt8JXN605Djyp/MaZIR34=
-----END CERTIFICATE-----
";

    fn section(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    fn pair() -> (String, String) {
        let issued = generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        (issued.cert.pem(), issued.signing_key.serialize_pem())
    }

    #[test]
    fn what_belongs_together_is_right() {
        let ((cert, key), (other, other_key)) = (pair(), pair());
        let ssl =
            json!({"cert": cert, "key": key, "certs": [other], "keys": [other_key], "client": {"ca": cert}});
        assert_eq!(check(Kind::Ssl, &ssl), Ok(()));
        assert_eq!(check(Kind::Upstream, &json!({"tls": {"client_cert": cert, "client_key": key}})), Ok(()));
    }

    #[test]
    fn an_authority_may_be_of_version_1_as_its_key_and_name_are_all_that_counts() {
        assert_eq!(check(Kind::Ssl, &json!({"client": {"ca": OF_VERSION_1}})), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_its_text() {
        let ((cert, key), (_, other_key)) = (pair(), pair());
        let damaged = key.replace("BEGIN PRIVATE", "BEGIN PIRATE");
        let good = json!({"cert": cert, "key": key});
        let with = |more: Value| {
            let mut ssl = good.clone();
            ssl.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            ssl
        };
        for (ssl, pointer, text) in [
            (with(json!({"cert": key})), "/cert", "failed to parse cert: there is none in it"),
            (with(json!({"key": damaged})), "/key", "failed to parse key: "),
            (
                with(json!({"key": section("ENCRYPTED PRIVATE KEY", "AAAA")})),
                "/key",
                "failed to parse key: there is none in it that is not encrypted",
            ),
            (
                with(json!({"cert": OF_VERSION_1})),
                "/cert",
                "failed to parse cert: it is of an X.509 version before 3",
            ),
            (
                with(json!({"cert": section("CERTIFICATE", "AAAA")})),
                "/cert",
                "failed to parse cert: it is no X.509",
            ),
            (
                with(json!({"cert": section("CERTIFICATE", "?")})),
                "/cert",
                "failed to parse cert: what stands",
            ),
            (with(json!({"key": other_key})), "/key", "the key does not belong to the cert"),
            (
                with(json!({"certs": [cert], "keys": [other_key]})),
                "/keys/0",
                "failed to handle cert-key pair[1]: the key does not",
            ),
            (
                with(json!({"client": {"ca": "x"}})),
                "/client/ca",
                "failed to validate client_cert: failed to parse cert",
            ),
            (
                with(json!({"client": {"ca": section("CERTIFICATE", "AAAA")}})),
                "/client/ca",
                "failed to validate client_cert: failed to parse cert: it is no X.509",
            ),
        ] {
            let error = check(Kind::Ssl, &ssl).unwrap_err();
            assert!(error.pointer == pointer && error.text.starts_with(text), "{error:?}");
        }
        let tls = json!({"tls": {"client_cert": cert, "client_key": other_key}});
        let split =
            json!({"plugins": {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream": tls}]}]}}});
        let error = check(Kind::Route, &split).unwrap_err();
        assert_eq!(
            error.pointer,
            "/plugins/traffic-split/rules/0/weighted_upstreams/0/upstream/tls/client_key"
        );
    }
}
