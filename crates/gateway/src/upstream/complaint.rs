//! TLS with an upstream's nodes that fails, most often for a certificate that cannot be verified, or for one of ours: told in the log,
//! once a minute and not for each request.
//!
//! Whoever switches `tls.verify` on and trusts the wrong authority gets a 502 for every request, and should not have to
//! switch on debug messages to learn why.

use super::fault::{in_words, of_handshake, of_ours, unusable, unverified};
use model::reason::Reason;
use rustls::CertificateError;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The least time between two complaints about one upstream, seconds.
const PAUSE_S: i64 = 60;

/// Who asks for the certificates of an upstream's nodes to be verified, and could let go of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// Nobody.
    Not,
    /// The upstream.
    ByUpstream,
    /// The gateway's settings.
    Always,
}

impl Verified {
    /// What to do besides mending the certificate. It ends a sentence.
    fn way_out(self) -> &'static str {
        match self {
            Verified::Not => "",
            Verified::ByUpstream => "; or set tls.verify to false",
            Verified::Always => "; or set upstream_tls_verify to as_configured, and tls.verify to false",
        }
    }
}

/// What was told of one upstream; shared by all threads.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// Where the upstream is written: `upstreams/ID`, `services/ID` or `routes/ID`.
    owner: Box<str>,
    verified: Verified,
    /// When, seconds since the Unix epoch.
    last_s: AtomicI64,
}

impl Complaint {
    /// Nothing yet.
    pub(crate) fn new(owner: &str, verified: Verified) -> Complaint {
        Complaint { owner: owner.into(), verified, last_s: AtomicI64::new(i64::MIN) }
    }

    /// Tells why no connection could be made, if that is for TLS with `node`, and it is time.
    pub(crate) fn about(&self, node: &str, error: &io::Error, now_s: i64) {
        let words = match (unverified(error), unusable(error)) {
            (Some(CertificateError::BadSignature), _) if self.verified == Verified::Not => {
                Some("it does not hold the key of the certificate that it shows".to_owned())
            }
            (Some(fault), _) => {
                Some(format!("its certificate {}{}", in_words(fault), self.verified.way_out()))
            }
            (None, Some(unusable)) => Some(unusable.to_string()),
            (None, None) => of_handshake(error).map(|words| format!("it {words}")),
        };
        if let Some(words) = words {
            self.tell(node, &words, now_s);
        }
    }

    /// Tells what `node` said of our certificate after the handshake, if that is why it gave no answer, and it is time.
    pub(crate) fn about_ours(&self, node: &str, reason: Reason, now_s: impl FnOnce() -> i64) {
        if let Some(words) = of_ours(reason) {
            self.tell(node, &format!("it {words}"), now_s());
        }
    }

    fn tell(&self, node: &str, words: &str, now_s: i64) {
        if self.is_due(now_s) {
            tracing::warn!(upstream = %self.owner, node, "requests to the node get a 502, for {words}");
        }
    }

    fn is_due(&self, now_s: i64) -> bool {
        let last_s = self.last_s.load(Relaxed);
        now_s.saturating_sub(last_s) >= PAUSE_S
            && self.last_s.compare_exchange(last_s, now_s, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_comes_once_a_minute() {
        let complaint = Complaint::new("upstreams/u", Verified::Not);
        let due: Vec<_> =
            [0, 1, 59, 60, 61, 200].into_iter().filter(|now_s| complaint.is_due(*now_s)).collect();
        assert_eq!(due, [0, 60, 200]);
    }
}
