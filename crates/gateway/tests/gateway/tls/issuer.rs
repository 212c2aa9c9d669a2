//! An authority that issues certificates for the tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use serde_json::{Value, json};

/// An authority, maybe one below another.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// PEM of the authorities between this one and the root, this one first.
    between: String,
}

/// A certificate with what belongs to it.
#[derive(Clone)]
pub(super) struct Issued {
    /// PEM: the certificate, then the authorities below the root.
    pub(super) cert: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let params = Authority::params(name);
        let pem = params.clone().self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key), between: String::new() }
    }

    /// An authority that this one vouches for.
    pub(super) fn below(&self, name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let params = Authority::params(name);
        let pem = params.clone().signed_by(&key, &self.issuer).unwrap().pem();
        let between = pem.clone() + &self.between;
        Authority { pem, issuer: Issuer::new(params, key), between }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    /// A server's certificate with an elliptic key.
    pub(super) fn server(&self, names: &[&str]) -> Issued {
        self.issue(names, "server", ExtendedKeyUsagePurpose::ServerAuth, &PKCS_ECDSA_P256_SHA256)
    }

    /// A server's certificate with an RSA key.
    pub(super) fn rsa_server(&self, names: &[&str]) -> Issued {
        self.issue(names, "server", ExtendedKeyUsagePurpose::ServerAuth, &PKCS_RSA_SHA256)
    }

    /// A client's certificate.
    pub(super) fn client(&self, name: &str) -> Issued {
        self.issue(&[], name, ExtendedKeyUsagePurpose::ClientAuth, &PKCS_ECDSA_P256_SHA256)
    }

    fn issue(
        &self,
        names: &[&str],
        subject: &str,
        usage: ExtendedKeyUsagePurpose,
        algorithm: &'static SignatureAlgorithm,
    ) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate_for(algorithm).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem() + &self.between;
        Issued { cert, key: key.serialize_pem() }
    }
}

impl Issued {
    /// An SSL resource of a server with this certificate.
    pub(super) fn ssl(&self, id: &str, snis: &[&str]) -> Value {
        json!({"id": id, "snis": snis, "cert": self.cert, "key": self.key})
    }
}

/// An SSL resource whose clients must show a certificate.
pub(super) fn asking(mut ssl: Value, authority: &Authority, more: &Value) -> Value {
    ssl["client"] = more.clone();
    ssl["client"]["ca"] = authority.pem.clone().into();
    ssl
}
