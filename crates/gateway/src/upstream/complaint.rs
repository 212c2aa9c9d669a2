//! Certificates of an upstream's nodes that cannot be verified: told in the log, once a minute and not for each request.
//!
//! Whoever switches `tls.verify` on and trusts the wrong authority gets a 502 for every request, and should not have to
//! switch on debug messages to learn why.

use rustls::{CertificateError, Error};
use std::io;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The least time between two complaints about one upstream, seconds.
const PAUSE_S: i64 = 60;

/// What was told of one upstream; shared by all threads.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// Where the upstream is written: `upstreams/ID`, `services/ID` or `routes/ID`.
    owner: Box<str>,
    /// When, seconds since the Unix epoch.
    last_s: AtomicI64,
}

impl Complaint {
    /// Nothing yet.
    pub(crate) fn new(owner: &str) -> Complaint {
        Complaint { owner: owner.into(), last_s: AtomicI64::new(i64::MIN) }
    }

    /// Tells why no connection could be made, if that is for the certificate of `node`, and it is time.
    pub(crate) fn about(&self, node: &str, error: &io::Error, now_s: i64) {
        let Some(reason) = unverified(error) else { return };
        if self.is_due(now_s) {
            tracing::warn!(
                upstream = %self.owner, node, ?reason,
                "the node's certificate cannot be verified, requests to it get a 502: trust its authority \
                 (tls_ca_file), correct its certificate or the name it is asked for (pass_host), or set tls.verify to false"
            );
        }
    }

    fn is_due(&self, now_s: i64) -> bool {
        let last_s = self.last_s.load(Relaxed);
        now_s.saturating_sub(last_s) >= PAUSE_S
            && self.last_s.compare_exchange(last_s, now_s, Relaxed, Relaxed).is_ok()
    }
}

/// What is wrong with the certificate, if that is why a handshake has failed.
pub(crate) fn unverified(error: &io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(reason) => Some(reason),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_comes_once_a_minute() {
        let complaint = Complaint::new("upstreams/u");
        let due: Vec<_> =
            [0, 1, 59, 60, 61, 200].into_iter().filter(|now_s| complaint.is_due(*now_s)).collect();
        assert_eq!(due, [0, 60, 200]);
    }

    #[test]
    fn only_a_certificate_is_complained_about() {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let expired = invalid(Error::InvalidCertificate(CertificateError::Expired));
        assert_eq!(unverified(&expired), Some(&CertificateError::Expired));
        assert_eq!(unverified(&invalid(Error::DecryptError)), None);
        assert_eq!(unverified(&io::ErrorKind::ConnectionRefused.into()), None);
    }
}
