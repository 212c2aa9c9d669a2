//! The certificate of the TLS listener: self-signed, made at the first start, used again ever after.
//!
//! Whoever wants another one puts a chain and a key in PEM in place of the two files.

use crate::{clock, private_file};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the certificate chain's file inside the data directory.
pub const CERTIFICATE_FILE_NAME: &str = "admin-tls.crt";
/// Name of the private key's file inside the data directory.
pub const KEY_FILE_NAME: &str = "admin-tls.key";

/// How long a certificate that we make is valid. It only ever proves that a client talks to the same gate as before.
const VALID_YEARS: i32 = 10;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be written.
    #[error("certificate: cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read, or is no PEM.
    #[error(
        "certificate: cannot read {path}; remove {CERTIFICATE_FILE_NAME} and {KEY_FILE_NAME} to have new ones made"
    )]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// One of the two files is there and the other is not.
    #[error(
        "certificate: {path} is missing beside its other half; put it there, or remove both to have new ones made"
    )]
    HalfMissing {
        /// The missing one.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("certificate: cannot make one")]
    Make(#[from] rcgen::Error),
    /// Certificate and key do not fit, or TLS cannot use them.
    #[error("certificate: {path} cannot be used")]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

/// Reads the certificate of a data directory, and makes it at the first start; gives the configuration of a TLS
/// listener (TLS 1.2 and 1.3, HTTP/1.1).
///
/// # Errors
/// When the files are there and cannot be used, or are not there and cannot be made.
pub fn load_or_create(dir: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE_NAME), dir.join(KEY_FILE_NAME));
    match (certificate.exists(), key.exists()) {
        (true, true) => {}
        (false, false) => create(&certificate, &key)?,
        (true, false) => return Err(CertificateError::HalfMissing { path: key }),
        (false, true) => return Err(CertificateError::HalfMissing { path: certificate }),
    }
    load(dir)
}

/// The same where both files must be there.
///
/// # Errors
/// When they are not, or cannot be used.
pub fn load(dir: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let (certificate, key) = (&dir.join(CERTIFICATE_FILE_NAME), &dir.join(KEY_FILE_NAME));
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Read { path: path.clone(), source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(read(certificate))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(read(certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(read(key))?;
    let unusable = |source| CertificateError::Unusable { path: certificate.to_owned(), source };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    let mut config = config;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn create(certificate: &Path, key: &Path) -> Result<(), CertificateError> {
    let pair = KeyPair::generate()?;
    let signed = parameters(clock::unix_s())?.self_signed(&pair)?;
    // A crash in between leaves a key without a certificate, which the next start names.
    for (path, pem) in [(key, pair.serialize_pem()), (certificate, signed.pem())] {
        private_file::write(path, pem.as_bytes())
            .map_err(|source| CertificateError::Write { path: path.to_owned(), source })?;
    }
    Ok(())
}

fn parameters(now_s: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(host_name());
    let mut parameters = CertificateParams::new(names)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "Tealgate Admin API");
    parameters.distinguished_name = subject;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // From yesterday, so that a client whose clock is a little behind accepts it.
    let day = Timestamp::from_second(now_s.saturating_sub(86_400))
        .unwrap_or_default()
        .to_zoned(TimeZone::UTC)
        .date();
    let date = |years: i32| {
        let month = u8::try_from(day.month()).unwrap_or(1);
        // The 29th of February exists in some years only.
        let of_month = u8::try_from(day.day()).unwrap_or(1).min(28);
        rcgen::date_time_ymd(i32::from(day.year()).saturating_add(years), month, of_month)
    };
    parameters.not_before = date(0);
    parameters.not_after = date(VALID_YEARS);
    Ok(parameters)
}

/// This machine's name, if it is a name that can stand in a certificate.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let fits = !name.is_empty() && name.len() <= 253 && name != "localhost" && name.bytes().all(is_fit);
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_certificate_is_made_once_and_used_again() {
        let dir = tempfile::tempdir().unwrap();
        load_or_create(dir.path()).unwrap();
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let first = (read(CERTIFICATE_FILE_NAME), read(KEY_FILE_NAME));
        for name in [CERTIFICATE_FILE_NAME, KEY_FILE_NAME] {
            let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        load_or_create(dir.path()).unwrap();
        assert_eq!((read(CERTIFICATE_FILE_NAME), read(KEY_FILE_NAME)), first);
    }

    #[test]
    fn a_damaged_or_halved_pair_is_an_error_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        load_or_create(dir.path()).unwrap();
        std::fs::write(dir.path().join(CERTIFICATE_FILE_NAME), "nonsense").unwrap();
        assert!(load_or_create(dir.path()).is_err());
        std::fs::remove_file(dir.path().join(CERTIFICATE_FILE_NAME)).unwrap();
        assert!(matches!(load_or_create(dir.path()), Err(CertificateError::HalfMissing { .. })));
        std::fs::write(dir.path().join(CERTIFICATE_FILE_NAME), "x").unwrap();
        std::fs::remove_file(dir.path().join(KEY_FILE_NAME)).unwrap();
        assert!(matches!(load_or_create(dir.path()), Err(CertificateError::HalfMissing { .. })));
    }

    #[test]
    fn dates_are_valid_on_every_day_of_the_year() {
        for day in 0..1_462_i64 {
            parameters(1_700_000_000 + day * 86_400).unwrap();
        }
    }
}
